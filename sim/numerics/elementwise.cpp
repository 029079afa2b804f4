#include "numerics/elementwise.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace moesim {
namespace {
constexpr int kLanes = 8;  // loops of this constant length become vector instructions at -O2

/// Cephes' expf: x = n ln 2 + r, exp(r) by a polynomial of degree 6, times 2^n.  Source: S. Moshier, Cephes, expf.c.
inline float exp_polynomial(float x) {
  x = std::min(std::max(x, -87.3F), 88.3F);
  const float shifted = x * 1.44269504088896341F;
  const int n = int(shifted + (shifted < 0 ? -0.5F : 0.5F));
  const auto whole = float(n);
  const float r = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const float value = p * r * r + r + 1.0F;
  return value * std::bit_cast<float>((n + 127) << 23);
}

/// x[i] = f(x[i], other[i]) for all i, in blocks.
template <class F>
void transform(float* x, const float* other, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) x[i + j] = f(x[i + j], other[i + j]);
  for (; i < n; ++i) x[i] = f(x[i], other[i]);
}

/// Sum by lanes, then over lanes: the same order on every machine.
template <class F>
double sum(const float* x, std::int64_t n, F f) {
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[j] += double(f(x[i + j]));
  double total = 0;
  for (; i < n; ++i) total += double(f(x[i]));
  for (const double lane : lanes) total += lane;
  return total;
}
}  // namespace

float exp_of(float x) { return x < -87.3F ? 0.0F : exp_polynomial(x); }
float sigmoid(float x) { return 1.0F / (1.0F + exp_polynomial(-x)); }

void softmax(float* x, int n, const float* sink) {
  if (n == 0) return;
  float largest = *std::max_element(x, x + n);
  if (sink != nullptr) largest = std::max(largest, *sink);
  transform(x, x, n, [largest](float v, float) { return exp_polynomial(v - largest); });
  double total = sum(x, n, [](float v) { return v; });
  if (sink != nullptr) total += double(exp_polynomial(*sink - largest));
  const auto scale = float(1.0 / total);
  transform(x, x, n, [scale](float v, float) { return v * scale; });
}

Activation activation_of(const Model& model) {
  if (model.architecture == "gemma3") return {Activation::Kind::geglu, 0};
  if (model.swiglu_limit > 0) return {Activation::Kind::clamped_swiglu, float(model.swiglu_limit)};
  return {};
}

void activate(Activation activation, float* gate, const float* up, std::int64_t n) {
  switch (activation.kind) {
    case Activation::Kind::swiglu:
      return transform(gate, up, n, [](float g, float u) { return g / (1.0F + exp_polynomial(-g)) * u; });
    case Activation::Kind::clamped_swiglu: {
      const float limit = activation.limit;
      return transform(gate, up, n, [limit](float g, float u) {
        g = std::min(g, limit);
        u = std::min(std::max(u, -limit), limit);
        return g / (1.0F + exp_polynomial(-1.702F * g)) * (u + 1.0F);
      });
    }
    case Activation::Kind::geglu:
      return transform(gate, up, n, [](float g, float u) {
        // tanh(z) = 1 - 2 / (exp(2z) + 1)
        const float z = 0.7978845608028654F * (g + 0.044715F * g * g * g);
        const float tanh = 1.0F - 2.0F / (exp_polynomial(2.0F * z) + 1.0F);
        return 0.5F * g * (1.0F + tanh) * u;
      });
  }
}

void rms_norm(const float* x, std::int64_t stride, int rows, int n, const float* weight, double epsilon, bool from_one,
              float* y, std::int64_t y_stride) {
  for (int r = 0; r < rows; ++r, x += stride, y += y_stride) {
    const auto scale = float(1.0 / std::sqrt(sum(x, n, [](float v) { return double(v) * double(v); }) / n + epsilon));
    for (int i = 0; i < n; ++i) {
      const float w = weight == nullptr ? 1.0F : from_one ? 1.0F + weight[i] : weight[i];
      y[i] = x[i] * scale * w;
    }
  }
}
}  // namespace moesim
