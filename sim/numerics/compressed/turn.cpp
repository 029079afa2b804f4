#include "numerics/compressed/turn.h"

#include "core/elementary.h"
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
    const auto [sine_of_angle, cosine_of_angle] = sine_cosine(float(position) * f);
    const float cosine = float(cosine_of_angle), sine = direction * float(sine_of_angle);
    const float a = v[0], b = v[1];
    v[0] = a * cosine - b * sine;
    v[1] = b * cosine + a * sine;
    v += 2;
  }
}
}  // namespace moesim::numerics
