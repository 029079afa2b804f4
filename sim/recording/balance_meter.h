// Measures balance losses and load while a forward pass runs.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "numerics/pass/gate_policy.h"
#include "recording/evaluate.h"

namespace moesim::recording {

/// Lets a gate choose and adds up what the balance losses are made of, text by text: what the gate chose, and the
/// model's own scores.
class BalanceMeter final : public numerics::Gate {
 public:
  /// layers: of the model without its MTP modules, which are left out; gate: who chooses.
  BalanceMeter(int layers, std::unique_ptr<numerics::Gate> gate) : layers_(layers), gate_(std::move(gate)) {}
  /// texts: of each row of the next pass.
  void begin_pass(std::vector<int> texts) { texts_ = std::move(texts); }
  void choose(const numerics::GateInput& in, numerics::Routing& out) override;
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
  std::unique_ptr<numerics::Gate> gate_;
  std::vector<int> texts_;
  std::map<int, Layer> by_layer_;
};
}  // namespace moesim::recording
