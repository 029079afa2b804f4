// The number formats of a release as a model to run has them: one for each kind of projection.
#pragma once
#include <optional>
#include <string>

#include "spec/count.h"
#include "spec/dtype.h"
#include "spec/model.h"
#include "spec/release/release.h"

namespace moesim::spec {

/// The format that most of a kind's weights have.
struct RunFormats {
  Dtype weights = Dtype::bf16;  // dense networks and shared experts; of attention, where a release has neither
  std::optional<Dtype> attention, experts;  // where they differ from `weights`
  std::string note;                         // "" or how far these are from the release's bytes
};
/// The kind of projection that a tensor is counted with: attention (with its indexer, state and residual maps), routed
/// experts, or dense.
ParameterPart projection_of(TensorKind kind);
/// Throws ConfigError for a format that runs cannot weigh (integers of 2 and 3 bits).
RunFormats run_formats(const Release& release);
void set_formats(Model& model, const RunFormats& formats);
}  // namespace moesim::spec
