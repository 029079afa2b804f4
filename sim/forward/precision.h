// The number formats of a step: what the scenario says, else what the model was released in where the GPU has that.
#pragma once
#include <optional>
#include <string>

#include "compute/layers/step_phase.h"
#include "core/config.h"
#include "forward/asked_precision.h"
#include "spec/hardware.h"
#include "spec/model.h"

namespace moesim::forward {

/// What a released model is computed in on a GPU: its released format where the GPU has it, else BF16.  An FP4 release
/// quantises the routed experts alone, after training: a training step computes them in BF16; elsewhere they stay in
/// 4 bits in memory and are widened where the GPU lacks FP4.
/// phase: none for a step of prompts and next tokens.
compute::Precisions released_precision(const spec::Model& model, const spec::Gpu& gpu,
                                       std::optional<compute::StepPhase> phase);
/// On a GPU that has every format.
compute::Precisions released_precision(const spec::Model& model, std::optional<compute::StepPhase> phase);

/// The formats of a step: as asked, else as released.  Experts follow linear layers whose format is given.
ChosenPrecision choose_precision(const AskedPrecision& asked, const spec::Model& model, const spec::Gpu& gpu,
                                 std::optional<compute::StepPhase> phase);

/// Throws ConfigError at the key of `section` whose format the GPU has no arithmetic for.
void check_precision(const Config& section, const compute::Precisions& precision, const spec::Gpu& gpu);
/// Throws ConfigError at `section` if layers of the model have kernels in one format alone, which the GPU lacks: an
/// indexer (DSA) scores in FP8.
void check_indexer(const Config& section, const spec::Model& model, const spec::Gpu& gpu);

/// "fp8", "bf16, expert weights fp4, cache fp8": that of linear layers, and what differs from it.
std::string formats_text(const compute::Precisions& precision);
}  // namespace moesim::forward
