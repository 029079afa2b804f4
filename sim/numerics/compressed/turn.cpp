#include "numerics/compressed/turn.h"

#include <cmath>

#include "numerics/pass/rope.h"

namespace moesim::numerics {
Turn::Turn(const CompressedShape& shape, int layer) {
  spec::RopeShape rope = shape.rope;
  if (shape.has_entries(layer))
    rope.theta = shape.compressed_theta;
  else
    rope.scaling = "none";
  for (const double f : rope_frequencies(rope, shape.rope_dims)) frequencies_.push_back(float(f));
}

void Turn::turn(float* x, int width, int position, float direction) const {
  float* v = x + width - 2 * std::int64_t(frequencies_.size());
  for (const float f : frequencies_) {
    const float angle = float(position) * f, cosine = std::cos(angle), sine = direction * std::sin(angle);
    const float a = v[0], b = v[1];
    v[0] = a * cosine - b * sine;
    v[1] = b * cosine + a * sine;
    v += 2;
  }
}
}  // namespace moesim::numerics
