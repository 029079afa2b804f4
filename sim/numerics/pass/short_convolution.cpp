#include "numerics/pass/short_convolution.h"

#include "core/elementary.h"
#include "numerics/algebra/elementwise.h"

namespace moesim::numerics {
void convolve(const Machine& machine, int taps, const float* weights, const float* bias, const Segment& s,
              KvLayer& cache, Matrix& x) {
  const int channels = x.columns, before = taps - 1;
  const auto width = std::size_t(channels);
  std::vector<float>& inputs = cache.inputs;
  inputs.resize(std::size_t(before) * width);  // zeros before the first token
  inputs.insert(inputs.end(), x.row(s.first_row), x.row(s.first_row) + std::int64_t(s.rows) * channels);
  each_block(machine, s.rows, 64, [&](int first, int count) {
    std::vector<float> sum(width), open(width);
    for (int r = first; r < first + count; ++r) {
      for (std::size_t c = 0; c < width; ++c) {
        float total = bias == nullptr ? 0.0F : bias[c];
        for (int t = 0; t < taps; ++t)
          total += weights[c * std::size_t(taps) + std::size_t(t)] * inputs[std::size_t(r + t) * width + c];
        sum[c] = total;
      }
      sigmoid(sum.data(), channels, open.data());
      float* to = x.row(s.first_row + r);
      for (std::size_t c = 0; c < width; ++c) to[c] = sum[c] * open[c];
    }
  });
  inputs.erase(inputs.begin(), inputs.end() - std::int64_t(before) * channels);
}

double softplus(double x) { return x > 20 ? x : log1p_of(exp_of(x)); }
}  // namespace moesim::numerics
