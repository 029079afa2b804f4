// Weights made up from a seed, whose routing behaves like that of trained models: skewed, different for different kinds
// of text, and related from layer to layer.  How, and how well: reports/numerics.md.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "numerics/pass/balance.h"
#include "numerics/pass/forward.h"
#include "numerics/weights/weights.h"

namespace moesim::numerics {

struct SyntheticOptions {
  std::uint64_t seed = 1;
  double skew = 0.34;           // sigma of the log-normal shares that the balancing rule aims at
  double hot = 3;               // factor on the share of one expert in 64
  double group_slope = 0.434;   // power by which groups fall with their number: DeepSeek-V3's in serving
  double group_spread = 0.107;  // sigma of what else groups differ by: likewise
  double tilt = 0.455;          // within the first group, its first expert over its last, as a logarithm: likewise
  double taper = 0.4;         // power by which the spread falls with the group's number; texts leave 0.05 to 0.1 of it
  double text = 3;            // strength of the heads that see the whole context
  double context = 0.6;       // strength of the heads that see the last few tokens
  double feed_forward = 0.5;  // strength of experts and dense networks
  double affinity = 0.7;      // correlation of an expert's router row with its predecessor's in the layer before
  double spread = 1.2;        // standard deviation of the router's logits
  int warm_up_tokens = 2048;  // text that the selection bias is set on; 0 leaves it at zero

  static void fields(auto& f, auto& p) {
    f("seed", p.seed, "names the weights");
    f("skew", p.skew, "sigma of the log-normal expert shares that the balancing rule aims at; 0 for equal shares");
    f("hot", p.hot, "factor on the share of one expert in 64; 1 for none");
    f("group_slope", p.group_slope,
      "a group's share falls with its number (from 1) to this power, mean over layers; 0 for equal groups");
    f("group_spread", p.group_spread, "sigma of the logarithm of what else groups' shares differ by");
    f("tilt", p.tilt,
      "logarithm of the share of the first group's first expert over its last; a half of it in the second group, and "
      "so on");
    f("taper", p.taper, "the spread of a group's shares falls with its number to this power");
    f("text", p.text, "how much the kind of text moves the routing");
    f("context", p.context, "how much the last few tokens move the routing");
    f("feed_forward", p.feed_forward, "how much experts and dense networks move the hidden state");
    f("affinity", p.affinity, "correlation of routers from layer to layer, 0 to 1");
    f("spread", p.spread, "standard deviation of the router's logits");
    f("warm_up_tokens", p.warm_up_tokens, "tokens of warm-up text that the selection bias is set on; 0 for none");
  }
};

class SyntheticWeights final : public Weights {
 public:
  /// model: must outlive it.  Weights are made when first asked for; the warm-up runs here unless it is off.
  /// Throws ConfigError if the weights would take more than 16 GiB: such a model must be scaled down first.
  SyntheticWeights(const spec::Model& model, const SyntheticOptions& options, int threads = 0);

  const float* get(const PartShape& shape, int layer, int expert, WeightScratch& scratch) override;

 private:
  struct Key {
    Part part;
    int layer, expert;
    auto operator<=>(const Key&) const = default;
  };
  class WarmUpGate;
  void make_routers();
  void centre_embedding();
  void warm_up(int threads);
  std::vector<float> make(const PartShape& shape, int layer, int expert) const;

  const spec::Model& model_;
  SyntheticOptions options_;
  int pool_ = 1;                              // distinct experts; the others share their weights
  std::vector<float> centre_;                 // (hidden), taken off every embedding
  std::map<int, Matrix> routers_;             // by layer
  std::map<int, std::vector<float>> biases_;  // likewise, where the model has them
  std::mutex mutex_;
  std::map<Key, std::vector<float>> made_;
};

/// The text that biases are set on: short passages of prose in several languages, code, configuration, tables and logs,
/// as bytes, as many as make up `tokens`, again from the start if they end; for vocabularies below 256 each byte modulo
/// the vocabulary. Returns one sequence a passage.
std::vector<std::vector<int>> warm_up_sequences(int tokens, int vocabulary);
}  // namespace moesim::numerics
