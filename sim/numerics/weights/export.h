// Writes any weights as a Hugging Face folder that this program and others load.
#pragma once
#include <string>

#include "core/units.h"
#include "numerics/weights/weights.h"

namespace moesim::numerics {

/// Creates `folder` with config.json and all tensors in FP32, in shards of about `shard` bytes.
/// weights: of `model`.  Throws ConfigError if the folder exists or cannot be written, or the user interrupts; then
/// nothing is left behind.
void export_checkpoint(const spec::Model& model, Weights& weights, const std::string& folder,
                       Bytes shard = Bytes{5'000'000'000});
}  // namespace moesim::numerics
