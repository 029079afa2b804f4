// Operations on vectors that are not products: exponentials, softmax, activations, RMS norm.
#pragma once
#include <cstdint>

#include "spec/model.h"

namespace moesim::numerics {

/// exp(x), relative error below 2e-7; 0 below -87.  A fixed polynomial, so that every machine gives the same bits.
float exp_float(float x);
float sigmoid(float x);
/// y[i] = sigmoid(x[i])
void sigmoid(const float* x, int n, float* y);

/// x[i] = exp(x[i] - m) / sum over i and the sink, m the largest of them; x holds `n` logits.
/// sink: a logit that takes part in the sum and gets no entry (gpt-oss); nullptr for none.
void softmax(float* x, int n, const float* sink = nullptr);

/// What joins the two up-projections of a feed-forward network, or follows its only one.
struct Activation {
  enum class Kind { swiglu, clamped_swiglu, geglu, relu_squared } kind = Kind::swiglu;
  float limit = 0;  // clamped_swiglu
};
Activation activation_of(const spec::Model& model);
/// gate[i] = f(gate[i]) * up[i]; relu_squared: max(0, gate[i])^2 alone, `up` is not read:
/// swiglu: silu; geglu: gelu in its tanh form (Gemma); clamped_swiglu: gate at most `limit`, up within +-limit,
/// gate * sigmoid(1.702 gate) * (up + 1) (gpt-oss).
void activate(Activation activation, float* gate, const float* up, std::int64_t n);

/// y (rows, n) = x / sqrt(mean(x^2) + epsilon) * weight; x and y may be the same, rows `stride` floats apart.
/// weight: (n), nullptr for ones; from_one: the stored weight is added to 1 (Gemma).
void rms_norm(const float* x, std::int64_t stride, int rows, int n, const float* weight, double epsilon, bool from_one,
              float* y, std::int64_t y_stride);
}  // namespace moesim::numerics
