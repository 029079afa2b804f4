#include "numerics/pass/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/elementary.h"
#include "numerics/pass/attention_math.h"
#include "spec/layer_shape.h"

namespace moesim::numerics {
namespace {
constexpr double kTwoPi = 2 * std::numbers::pi;

/// Dims 0..low rotate as trained, from high on they are slowed by the factor, with a ramp between.
void scale_yarn(const spec::RopeShape& r, int dims, std::vector<double>& frequencies) {
  const auto dimension_of = [&](double rotations) {
    return dims * log_of(r.original_positions / (rotations * kTwoPi)) / (2 * log_of(r.theta));
  };
  double low = dimension_of(r.beta_fast), high = dimension_of(r.beta_slow);
  if (r.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, double(dims - 1));
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / r.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

/// Long waves are slowed by the factor, short ones kept, with a smooth change between.
void scale_llama3(const spec::RopeShape& r, std::vector<double>& frequencies) {
  const double longest = r.original_positions / r.low_freq_factor, shortest = r.original_positions / r.high_freq_factor;
  for (double& f : frequencies) {
    const double wave = kTwoPi / f;
    if (wave > longest) {
      f /= r.factor;
    } else if (wave >= shortest) {
      const double smooth =
          (r.original_positions / wave - r.low_freq_factor) / (r.high_freq_factor - r.low_freq_factor);
      f = (1 - smooth) * f / r.factor + smooth * f;
    }
  }
}
}  // namespace

std::vector<double> rope_frequencies(const spec::RopeShape& r, int dims) {
  std::vector<double> out(std::size_t(dims / 2));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = pow_of(r.theta, -2.0 * double(i) / dims);
  if (r.scaling == "linear")
    for (double& f : out) f /= r.factor;
  if (r.scaling == "yarn") scale_yarn(r, dims, out);
  if (r.scaling == "llama3") scale_llama3(r, out);
  return out;
}

double yarn_mscale(double factor, double m) { return factor <= 1 ? 1.0 : 0.1 * m * log_of(factor) + 1.0; }

float softmax_scale(const spec::Model& model) {
  const spec::AttentionShape& a = model.attention;
  const double scale = 1 / std::sqrt(a.query_scalar > 0 ? a.query_scalar : double(a.head_dim));
  return float(scale * math_of(a.kind).softmax_factor(model));
}

Rope::Rope(const spec::Model& model, int layer) {
  const spec::RopeShape& r = model.rope;
  const spec::LayerRope shape = spec::layer_shape(model, layer).attention.rope;
  if (!shape.active) return;
  spec::RopeShape own = r;
  own.theta = shape.theta;
  if (!shape.stretched) own.scaling = "none";
  if (own.scaling == "yarn")
    magnitude_ = float(yarn_mscale(r.factor, r.mscale) / yarn_mscale(r.factor, r.mscale_all_dim));
  const std::vector<double> frequencies = rope_frequencies(own, shape.dims);
  frequencies_.assign(frequencies.begin(), frequencies.end());
  interleaved_ = shape.interleaved;
}

Rope Rope::with_pairs(bool interleaved) const {
  Rope out = *this;
  out.interleaved_ = interleaved;
  return out;
}

void Rope::rotate(float* x, int rows, std::int64_t row_stride, int heads, std::int64_t head_stride, int first) const {
  const std::size_t pairs = frequencies_.size();
  std::vector<float> cosine(pairs), sine(pairs);
  const std::size_t partner = interleaved_ ? 1 : pairs, step = interleaved_ ? 2 : 1;
  for (int row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < pairs; ++i) {
      const auto [s, c] = sine_cosine(float(first + row) * frequencies_[i]);
      cosine[i] = float(c) * magnitude_;
      sine[i] = float(s) * magnitude_;
    }
    for (int head = 0; head < heads; ++head) {
      float* v = x + row * row_stride + head * head_stride;
      for (std::size_t i = 0; i < pairs; ++i) {
        const float a = v[i * step], b = v[i * step + partner];
        v[i * step] = a * cosine[i] - b * sine[i];
        v[i * step + partner] = b * cosine[i] + a * sine[i];
      }
    }
  }
}
}  // namespace moesim::numerics
