// How `moesim explain` reads each kind of scenario.
#pragma once
#include <initializer_list>
#include <string_view>

#include "cli/explaining/explain_input.h"
#include "forward/setup.h"
#include "runs/scenario.h"

namespace moesim::cli {

/// Each fills the subject's request, GPU and kernel times.
void explain_training(const ExplainOptions& options, const runs::Scenario& scenario, ExplainSubject& subject);
void explain_serving(const ExplainOptions& options, const runs::Scenario& scenario, ExplainSubject& subject);

/// Throws if an option is given that the scenario's section answers itself.  may: those that it does not.
void only_step_options(const ExplainOptions& options, std::string_view section,
                       std::initializer_list<std::string_view> may);
/// How the subject's GPU, which is known, computes its step, and the SMs that exchanges beside it take.
void take_setup(const forward::StepSetup& setup, ExplainSubject& subject);
/// Expert slots of one of `gpus`: as the placement in `placed` says, else one an expert.
int slots_of(const Config& placed, const spec::Model& model, int gpus);
}  // namespace moesim::cli
