// Mamba-2 in double precision, a token after the other, written from the model's description; and the sums that it and
// the rest of plain_reference.h are made of.  Source: arXiv 2405.21060; NVIDIA's modeling_nemotron_h.py.
#pragma once
#include <cmath>
#include <vector>

#include "spec/model.h"

namespace moesim::numerics {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double silu(double x) { return x * sigmoid(x); }
inline double dot(const double* a, const double* b, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}
inline Row times(const Rows& w, const Row& x) {
  Row out;
  for (const Row& row : w) out.push_back(dot(row.data(), x.data(), int(x.size())));
  return out;
}
inline void add(const Rows& from, Rows& to) {
  for (std::size_t r = 0; r < to.size(); ++r)
    for (std::size_t i = 0; i < to[r].size(); ++i) to[r][i] += from[r][i];
}

struct PlainMamba {
  Rows input, taps, output;
  Row bias, decay, skip, step_bias, norm;
};

/// One token at one head: h <- exp(-step rate) h + step x B^T, then h C + skip x.
inline Row plain_head(Rows& h, double keep, double step, double skip, const double* x, const double* b,
                      const double* c) {
  Row out;
  for (std::size_t i = 0; i < h.size(); ++i) {
    double sum = skip * x[i];
    for (std::size_t j = 0; j < h[i].size(); ++j) {
      h[i][j] = keep * h[i][j] + step * x[i] * b[j];
      sum += h[i][j] * c[j];
    }
    out.push_back(sum);
  }
  return out;
}

inline Rows plain_mamba(const spec::MambaShape& s, double epsilon, const PlainMamba& w, const Rows& x) {
  const int inner = int(s.inner()), channels = int(s.channels()), each = inner / s.groups;
  std::vector<Rows> states(std::size_t(s.heads), Rows(std::size_t(s.head_dim), Row(std::size_t(s.state))));
  Rows inputs, out;
  for (const Row& token : x) {
    const Row p = times(w.input, token);
    inputs.emplace_back(p.begin() + inner, p.begin() + inner + channels);
    Row seen = w.bias;
    for (std::size_t c = 0; c < seen.size(); ++c) {
      for (int t = 0; t < s.convolution; ++t)
        if (const int from = int(inputs.size()) - s.convolution + t; from >= 0)
          seen[c] += w.taps[c][std::size_t(t)] * inputs[std::size_t(from)][c];
      seen[c] = silu(seen[c]);
    }
    Row said;
    for (int head = 0; head < s.heads; ++head) {
      const auto at = std::size_t(head);
      const double step = std::log1p(std::exp(p[std::size_t(inner + channels + head)] + w.step_bias[at]));
      const double* b = &seen[std::size_t(inner + head / (s.heads / s.groups) * s.state)];
      const Row y = plain_head(states[at], std::exp(-step * std::exp(w.decay[at])), step, w.skip[at],
                               &seen[at * std::size_t(s.head_dim)], b, b + s.groups * s.state);
      said.insert(said.end(), y.begin(), y.end());
    }
    for (int i = 0; i < inner; ++i) said[std::size_t(i)] *= silu(p[std::size_t(i)]);
    for (int g = 0; g < s.groups; ++g) {
      double* of = &said[std::size_t(g * each)];
      const double scale = std::sqrt(dot(of, of, each) / each + epsilon);
      for (int i = 0; i < each; ++i) of[i] *= w.norm[std::size_t(g * each + i)] / scale;
    }
    out.push_back(times(w.output, said));
  }
  return out;
}
}  // namespace moesim::numerics
