// A GPU that holds all of a model.
#pragma once
#include "compute/layers/memory.h"
#include "spec/model.h"

namespace moesim::compute {
inline HeldLayers all_of(const spec::Model& m) {
  HeldLayers held;
  for (int layer = 0; layer < m.layers; ++layer) held.layers.push_back(layer);
  held.experts = m.moe->experts;
  return held;
}
}  // namespace moesim::compute
