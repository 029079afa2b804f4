// RoPE of DeepSeek-V4: the last columns of a head, neighbours paired, forwards for keys and queries and backwards for
// what attention gives.
#pragma once
#include <vector>

#include "numerics/compressed/shape.h"

namespace moesim::numerics {

class Turn {
 public:
  /// Of a layer: layers with entries have frequencies of their own, stretched to longer contexts.
  Turn(const CompressedShape& shape, int layer);
  /// Turns the last columns of a vector of `width` at `position`.
  void forwards(float* x, int width, int position) const { turn(x, width, position, 1); }
  void backwards(float* x, int width, int position) const { turn(x, width, position, -1); }

 private:
  void turn(float* x, int width, int position, float direction) const;
  std::vector<float> frequencies_;
};
}  // namespace moesim::numerics
