// Stages as Megatron-LM's --pipeline-model-parallel-layout writes them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "training/plan.h"

namespace moesim::training {

/// "Et*3|(tt|)*29,m|L" written out: one string of E (embedding), t (layer), m (MTP module) and L (loss) for each stage.
/// Commas and blanks mean nothing.  Throws ConfigError for what cannot be read.
/// Source: Megatron Core developer guide, Custom Pipeline Model Parallel Layout.
std::vector<std::string> stages_of_layout(std::string_view text);

/// Why a model of so many layers and MTP modules cannot be cut so into so many stages; "" if it can.
std::string layout_refusal(const std::vector<std::string>& stages, int wanted, int layers, int mtp_layers);

/// Whether training.pipeline_layout says the stages.  Throws ConfigError where it cannot be, or is said twice.
bool takes_layout(const Config& training, const TrainingPlan& plan);
}  // namespace moesim::training
