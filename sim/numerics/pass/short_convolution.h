// The short causal convolution of layers that keep a state.
#pragma once
#include "numerics/pass/attention.h"

namespace moesim::numerics {

/// Of each channel with its last inputs, then SiLU; keeps the inputs that later tokens see in `cache`.
/// x: (rows, channels) of the batch, the segment's rows overwritten; weights: (channels, taps), the last for the token
/// itself; bias: (channels) or nullptr.
void convolve(const Machine& machine, int taps, const float* weights, const float* bias, const Segment& segment,
              KvLayer& cache, Matrix& x);
/// log(1 + exp(x)).
double softplus(double x);
}  // namespace moesim::numerics
