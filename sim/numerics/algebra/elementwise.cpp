#include "numerics/algebra/elementwise.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "numerics/algebra/lanes.h"

namespace moesim::numerics {
namespace {
// The loops below are plain, so that the compiler makes them as wide as each kind of processor allows.  Products and
// sums are never fused, so all of them give the same bits.

/// Cephes' expf: x = n ln 2 + r, exp(r) by a polynomial of degree 6, times 2^n.  Source: S. Moshier, Cephes, expf.c.
inline float exp_between(float x) {
  x = x > -87.3F ? x : -87.3F;
  x = x < 88.3F ? x : 88.3F;
  const float shifted = x * 1.44269504088896341F;
  const int n = int(shifted + (shifted < 0 ? -0.5F : 0.5F));
  const auto whole = float(n);
  const float r = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
  float p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  return (p * r * r + r + 1.0F) * std::bit_cast<float>((n + 127) << 23);
}
inline float sigmoid_of(float x) { return 1.0F / (1.0F + exp_between(-x)); }

[[gnu::target_clones("avx512f", "avx2", "default")]] void exp_less(float* x, int n, float top) {
  for (int i = 0; i < n; ++i) x[i] = exp_between(x[i] - top);
}
[[gnu::target_clones("avx512f", "avx2", "default")]] void sigmoids(const float* x, int n, float* y) {
  for (int i = 0; i < n; ++i) y[i] = sigmoid_of(x[i]);
}
[[gnu::target_clones("avx512f", "avx2", "default")]] void swiglu(float* gate, const float* up, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) gate[i] = gate[i] * sigmoid_of(gate[i]) * up[i];
}
[[gnu::target_clones("avx512f", "avx2", "default")]] void clamped_swiglu(float* gate, const float* up, std::int64_t n,
                                                                         float limit) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gate[i] < limit ? gate[i] : limit;
    const float low = up[i] > -limit ? up[i] : -limit;
    const float u = low < limit ? low : limit;
    gate[i] = g * sigmoid_of(g * 1.702F) * (u + 1.0F);
  }
}
[[gnu::target_clones("avx512f", "avx2", "default")]] void geglu(float* gate, const float* up, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {  // gelu(g) = g/2 (1 + tanh z) = g sigmoid(2z)
    const float g = gate[i], z = 0.7978845608028654F * (g + 0.044715F * g * g * g);
    gate[i] = g * sigmoid_of(z * 2.0F) * up[i];
  }
}

/// Sums by lanes in double, then over lanes: the same order on every machine.
template <class F>
double sum(const float* x, std::int64_t n, F f) {
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[j] += f(double(x[i + j]));
  double rest = 0;
  for (; i < n; ++i) rest += f(double(x[i]));
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + rest;
}
}  // namespace

float exp_float(float x) { return x < -87.3F ? 0.0F : exp_between(x); }
float sigmoid(float x) { return sigmoid_of(x); }
void sigmoid(const float* x, int n, float* y) { sigmoids(x, n, y); }

void softmax(float* x, int n, const float* sink) {
  if (n == 0) return;
  const float top = sink == nullptr ? largest(x, n) : std::max(largest(x, n), *sink);
  exp_less(x, n, top);
  double total = sum(x, n, [](double v) { return v; });
  if (sink != nullptr) total += double(exp_float(*sink - top));
  const auto scale = float(1.0 / total);
  for (int i = 0; i < n; ++i) x[i] *= scale;
}

Activation activation_of(const spec::Model& model) {
  switch (spec::traits_of(model.architecture).gating) {
    case spec::Gating::relu_squared:
      return {Activation::Kind::relu_squared, 0};
    case spec::Gating::gelu:
      return {Activation::Kind::geglu, 0};
    case spec::Gating::silu:
      if (model.swiglu_limit > 0) return {Activation::Kind::clamped_swiglu, float(model.swiglu_limit)};
  }
  return {};
}

void activate(Activation activation, float* gate, const float* up, std::int64_t n) {
  switch (activation.kind) {
    case Activation::Kind::swiglu:
      return swiglu(gate, up, n);
    case Activation::Kind::clamped_swiglu:
      return clamped_swiglu(gate, up, n, activation.limit);
    case Activation::Kind::geglu:
      return geglu(gate, up, n);
    case Activation::Kind::relu_squared:
      for (std::int64_t i = 0; i < n; ++i) gate[i] = gate[i] > 0 ? gate[i] * gate[i] : 0.0F;
      return;
  }
}

void rms_norm(const float* x, std::int64_t stride, int rows, int n, const float* weight, double epsilon, bool from_one,
              float* y, std::int64_t y_stride) {
  for (int r = 0; r < rows; ++r, x += stride, y += y_stride) {
    const auto scale = float(1.0 / std::sqrt(sum(x, n, [](double v) { return v * v; }) / n + epsilon));
    for (int i = 0; i < n; ++i) {
      const float w = weight == nullptr ? 1.0F : from_one ? 1.0F + weight[i] : weight[i];
      y[i] = x[i] * scale * w;
    }
  }
}
}  // namespace moesim::numerics
