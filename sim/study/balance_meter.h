// Measures the balance losses while a forward pass chooses as published.
#pragma once
#include <map>
#include <vector>

#include "numerics/gate_policy.h"
#include "study/evaluate.h"

namespace moesim {

/// A gate that chooses as published and adds up what the balance losses are made of, text by text.
class BalanceMeter final : public Gate {
 public:
  /// layers: of the model without its MTP modules, which are left out.
  explicit BalanceMeter(int layers) : layers_(layers) {}
  /// texts: of each row of the next pass.
  void begin_pass(std::vector<int> texts) { texts_ = std::move(texts); }
  void choose(const GateInput& in, Routing& out) override;
  /// The text has no more rows.
  void finish(int text);
  std::vector<LayerBalance> balance() const;

 private:
  struct Sums {
    std::int64_t tokens = 0;
    std::vector<double> chosen, scores;  // by expert
  };
  struct Layer {
    int top_k = 1;
    std::map<int, Sums> open;  // texts not finished
    Sums all;
    double sequence_sum = 0;
    int sequences = 0;
  };
  static double loss(const Sums& sums, int top_k);
  static void add(const Sums& from, Sums& to);
  int layers_;
  std::vector<int> texts_;
  std::map<int, Layer> by_layer_;
};
}  // namespace moesim
