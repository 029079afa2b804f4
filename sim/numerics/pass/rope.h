// Rotary position embedding: which frequencies a layer rotates with, and the rotation.
#pragma once
#include <vector>

#include "spec/model.h"

namespace moesim::numerics {

class Rope {
 public:
  /// The rotation of layer `layer`: none, plain, linear, YaRN or Llama-3 scaling, of all or part of each head, pairs
  /// side by side (DeepSeek's MLA, Llama-4) or half a head apart (all others). Source: YaRN, arXiv 2309.00071, section
  /// 3; Llama-3.1's config (low_freq_factor, high_freq_factor).
  Rope(const spec::Model& model, int layer);

  /// The same frequencies over pairs that lie as said: an indexer's heads may differ from the main ones.
  Rope with_pairs(bool interleaved) const;

  bool active() const { return !frequencies_.empty(); }
  int dims() const { return 2 * int(frequencies_.size()); }
  const std::vector<float>& frequencies() const { return frequencies_; }

  /// Rotates the first dims() of each of `heads` vectors, `head_stride` floats apart, of rows `row_stride` floats
  /// apart; row r stands at position first + r.
  void rotate(float* x, int rows, std::int64_t row_stride, int heads, std::int64_t head_stride, int first) const;

 private:
  std::vector<float> frequencies_;
  /// What cosine and sine are multiplied by (YaRN; 1 where the softmax carries it, as in DeepSeek's configs).
  float magnitude_ = 1;
  bool interleaved_ = false;
};

/// What each of dims / 2 pairs turns by a position, scaled as the shape says.
std::vector<double> rope_frequencies(const spec::RopeShape& rope, int dims);
/// YaRN's attention factor: 1 if factor <= 1, else 0.1 m ln(factor) + 1.
double yarn_mscale(double factor, double m);
/// What q . k is multiplied by before the softmax: head_dim^-0.5, with MLA's YaRN factor squared, or the model's own.
float softmax_scale(const spec::Model& model);
}  // namespace moesim::numerics
