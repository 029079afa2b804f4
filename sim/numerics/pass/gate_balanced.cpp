#include <map>

#include "numerics/pass/balance.h"
#include "numerics/pass/gates.h"

namespace moesim::numerics {
namespace {
/// Goes on with the published balancing rule while the text runs, from the bias the model has.
class Balanced final : public Gate {
 public:
  struct Params {
    double gamma = 0.001;
    int window = 4096;
    static void fields(auto& f, auto& p) {
      f("gamma", p.gamma, "how far a bias moves at each update");
      f("window", p.window, "tokens whose load is looked at before each update");
    }
  };
  explicit Balanced(Params p) : p_(p) {}

  void choose(const GateInput& in, Routing& out) override {
    Layer& layer = layers_[in.layer];
    const auto experts = std::size_t(in.moe.experts);
    if (layer.bias.empty()) {
      layer.load.resize(experts);
      layer.bias.resize(experts);
      if (in.bias != nullptr) layer.bias.assign(in.bias, in.bias + experts);
    }
    if (in.moe.selection == spec::Selection::noaux_tc) {
      choose_as_published({in.machine, in.moe, in.layer, in.hidden, in.logits, layer.bias.data()}, out);
    } else {
      Matrix logits = in.logits;  // gates without a selection bias: it goes on the logits
      for (int t = 0; t < logits.rows; ++t)
        for (std::size_t e = 0; e < experts; ++e) logits.row(t)[e] += layer.bias[e];
      choose_as_published({in.machine, in.moe, in.layer, in.hidden, logits, nullptr}, out);
    }
    for (const int e : out.experts) layer.load[std::size_t(e)] += 1;
    layer.tokens += out.tokens;
    if (layer.tokens < p_.window) return;
    const std::vector<double> mean(experts, double(layer.tokens) * in.moe.top_k / double(experts));
    balance_step(layer.load, mean, p_.gamma, layer.bias);
    layer.load.assign(experts, 0);
    layer.tokens = 0;
  }

 private:
  struct Layer {
    std::vector<float> bias;
    std::vector<double> load;  // since the last update
    int tokens = 0;
  };
  Params p_;
  std::map<int, Layer> layers_;
};
}  // namespace

Strategy<Gate> balanced_gate() {
  return strategy<Balanced, Gate>("balanced", "the model's gate, its bias moved against the load as in training");
}
}  // namespace moesim::numerics
