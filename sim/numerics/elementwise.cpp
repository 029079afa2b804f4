#include "numerics/elementwise.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "numerics/lanes.h"

namespace moesim {
namespace {
/// Cephes' expf: x = n ln 2 + r, exp(r) by a polynomial of degree 6, times 2^n.  Source: S. Moshier, Cephes, expf.c.
Four exp_of(Four x) {
  x = smaller(larger(x, all(-87.3F)), all(88.3F));
  const Four shifted = x * 1.44269504088896341F;
  const FourInt n = __builtin_convertvector(shifted + (shifted < 0 ? all(-0.5F) : all(0.5F)), FourInt);
  const Four whole = __builtin_convertvector(n, Four);
  const Four r = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
  Four p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const FourInt power_bits = (n + 127) << 23;
  Four power;
  std::memcpy(&power, &power_bits, sizeof power);
  return (p * r * r + r + 1.0F) * power;
}
Four sigmoid_of(Four x) { return 1.0F / (1.0F + exp_of(-x)); }

/// x[i] = f(x[i], other[i]) for all i.
template <class F>
void transform(float* x, const float* other, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_four(x + i, f(load_four(x + i), load_four(other + i)));
  for (; i < n; ++i) x[i] = f(all(x[i]), all(other[i]))[0];
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

float exp_of(float x) { return x < -87.3F ? 0.0F : exp_of(all(x))[0]; }
float sigmoid(float x) { return sigmoid_of(all(x))[0]; }
void sigmoid(const float* x, int n, float* y) {
  transform(y, x, n, [](Four, Four v) { return sigmoid_of(v); });
}

void softmax(float* x, int n, const float* sink) {
  if (n == 0) return;
  const float top = sink == nullptr ? largest(x, n) : std::max(largest(x, n), *sink);
  transform(x, x, n, [top](Four v, Four) { return exp_of(v - top); });
  double total = sum(x, n, [](double v) { return v; });
  if (sink != nullptr) total += double(exp_of(*sink - top));
  const auto scale = float(1.0 / total);
  transform(x, x, n, [scale](Four v, Four) { return v * scale; });
}

Activation activation_of(const Model& model) {
  if (model.architecture == "gemma3") return {Activation::Kind::geglu, 0};
  if (model.swiglu_limit > 0) return {Activation::Kind::clamped_swiglu, float(model.swiglu_limit)};
  return {};
}

void activate(Activation activation, float* gate, const float* up, std::int64_t n) {
  switch (activation.kind) {
    case Activation::Kind::swiglu:
      return transform(gate, up, n, [](Four g, Four u) { return g * sigmoid_of(g) * u; });
    case Activation::Kind::clamped_swiglu: {
      const Four limit = all(activation.limit);
      return transform(gate, up, n, [limit](Four g, Four u) {
        g = smaller(g, limit);
        u = smaller(larger(u, -limit), limit);
        return g * sigmoid_of(g * 1.702F) * (u + 1.0F);
      });
    }
    case Activation::Kind::geglu:  // gelu(g) = g/2 (1 + tanh z) = g sigmoid(2z)
      return transform(gate, up, n, [](Four g, Four u) {
        const Four z = 0.7978845608028654F * (g + 0.044715F * g * g * g);
        return g * sigmoid_of(z * 2.0F) * u;
      });
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
}  // namespace moesim
