// The forward pass of a model: tokens in; hidden states, logits and the routing of every MoE layer out.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "numerics/pass/attention.h"
#include "numerics/pass/gate_policy.h"
#include "numerics/weights/weights.h"

namespace moesim::numerics {

/// Told of each layer that has an indexer, ascending within a pass; segments as in the pass, whose caches hold the
/// picks.
using ObservePicks = std::function<void(int layer, std::span<const Segment> segments)>;

struct ForwardOptions {
  int threads = 0;                         // 0: one a core
  MlaForm mla = MlaForm::automatic;        // models with MLA
  const Arithmetic* arithmetic = nullptr;  // nullptr: FP32
  Gate* gate = nullptr;                    // nullptr: the published gate
  ObservePicks picks{};                    // models with DSA
};

/// Told of each MoE layer's choices, layers ascending within a pass; rows as in the pass's tokens.
using ObserveRouting = std::function<void(int layer, const Routing& routing)>;

class Forward {
 public:
  /// model and weights must outlive it.
  Forward(const spec::Model& model, Weights& weights, const ForwardOptions& options = {});

  KvCache new_cache() const;
  /// One pass over tokens that continue the segments' sequences, each with a cache of its own: a prefill, a part of
  /// one, or decode steps of many sequences at once.  Appends to the caches. Returns the hidden states after the final
  /// norm (tokens, hidden). Throws std::logic_error if a token is not in the vocabulary.
  Matrix run(std::span<const int> tokens, std::span<const Segment> segments, const ObserveRouting& observe = {});
  /// Logits (rows, vocabulary) of hidden states that run() gave.
  Matrix logits(const MatrixView& hidden);

  /// One pass of MTP module `depth` (0 is the first): joins the hidden states of the depth before (run()'s for the
  /// first) at each position with the embedding of the token `depth + 1` further on.  Its routing is observed as layer
  /// model.layers + depth.  Returns its hidden states after its head norm.
  /// The module has its own layer in the segments' caches.
  /// Source: DeepSeek-V3 technical report, section 2.2.
  Matrix run_mtp(int depth, const MatrixView& hidden, std::span<const int> next_tokens,
                 std::span<const Segment> segments, const ObserveRouting& observe = {});
  Matrix mtp_logits(int depth, const MatrixView& hidden);

  const spec::Model& model() const { return model_; }
  Threads& threads() { return *threads_; }

 private:
  Machine machine() { return {*threads_, arithmetic_}; }
  Matrix embed(std::span<const int> tokens, const float* table);
  void block(int layer, const LayerWeights& w, std::span<const Segment> segments, const ObserveRouting& observe,
             Matrix& x);
  void feed_forward_part(int layer, const LayerWeights& w, const ObserveRouting& observe, const Matrix& h, Matrix& out);
  void norm(const Matrix& x, const float* weight, Matrix& y);

  const spec::Model& model_;
  Weights& weights_;
  std::unique_ptr<Threads> threads_;
  const Arithmetic& arithmetic_;
  MlaForm mla_;
  Gate* gate_;
  ObservePicks observe_picks_;
  std::vector<Rope> ropes_;             // a layer
  std::vector<WeightScratch> scratch_;  // a thread
  WeightScratch layer_scratch_;
};
}  // namespace moesim::numerics
