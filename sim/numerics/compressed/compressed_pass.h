// DeepSeek-V4's forward pass: ids in; logits, the routing of every layer and the indexers' picks out.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "numerics/compressed/attention.h"
#include "numerics/pass/gate.h"

namespace moesim::numerics {

/// Everything a sequence needs to go on.
struct CompressedCache {
  std::vector<CompressedLayerCache> layers;
};

struct CompressedObserver {
  std::function<void(int layer, const Routing&)> routing;                        // layers ascending; rows as the tokens
  std::function<void(int layer, const std::vector<std::vector<int>>&)> picks{};  // of layers with an indexer: entries
};

class CompressedForward {
 public:
  /// shape and tensors must outlive it.  threads: 0 for one a core.
  CompressedForward(const CompressedShape& shape, const CompressedTensors& tensors, int threads = 0);

  CompressedCache new_cache() const;
  /// The next tokens of one sequence.  Returns the hidden states after the final norm (tokens, hidden).  Throws
  /// ConfigError if they go beyond the positions of the configuration, std::logic_error for an id that is none.
  Matrix run(std::span<const int> tokens, CompressedCache& cache, const CompressedObserver& observe = {});
  /// (rows, vocabulary)
  Matrix logits(const MatrixView& hidden);

 private:
  Matrix experts(int layer, std::span<const int> tokens, const Matrix& h, const CompressedObserver& observe);
  Routing choose(int layer, std::span<const int> tokens, const Matrix& h);
  void network(const std::string& prefix, const MatrixView& x, Matrix& out);
  void norm(const std::string& name, Matrix& x);

  const CompressedShape& shape_;
  const CompressedTensors& tensors_;
  Threads threads_;
  Machine machine_{threads_, fp32_arithmetic()};
  std::vector<Turn> turns_;  // a layer
};
}  // namespace moesim::numerics
