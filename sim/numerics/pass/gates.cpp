#include "numerics/pass/gates.h"

namespace moesim::numerics {

Strategy<Gate> published_gate(), softmax_gate(), balanced_gate(), noisy_gate(), capacity_gate();

const Family<Gate>& gates() {
  static const Family<Gate> family("gate",
                                   {published_gate(), softmax_gate(), balanced_gate(), noisy_gate(), capacity_gate()});
  return family;
}

std::unique_ptr<Gate> gate_from(const std::string& text, const std::string& option) {
  return gates().make(Config::from_option(option, text));
}

namespace {
class PublishedGate final : public Gate {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit PublishedGate(Params) {}
  void choose(const GateInput& in, Routing& out) override { choose_as_published(in, out); }
};

/// What models balanced by an auxiliary loss have.
class Softmax final : public Gate {
 public:
  struct Params {
    bool normalise = true;
    static void fields(auto& f, auto& p) { f("normalise", p.normalise, "gate weights are divided by their sum"); }
  };
  explicit Softmax(Params p) : p_(p) {}
  void choose(const GateInput& in, Routing& out) override {
    spec::MoeShape moe = in.moe;
    moe.score = spec::Score::softmax;
    moe.selection = spec::Selection::greedy;
    moe.groups = moe.groups_used = 1;
    moe.normalise = p_.normalise;
    choose_as_published({in.machine, moe, in.layer, in.hidden, in.logits, nullptr}, out);
  }

 private:
  Params p_;
};
}  // namespace

Strategy<Gate> published_gate() { return strategy<PublishedGate, Gate>("published", "the model's own gate"); }
Strategy<Gate> softmax_gate() {
  return strategy<Softmax, Gate>("softmax",
                                 "the k largest softmax scores, no bias and no groups, as auxiliary-loss training");
}
}  // namespace moesim::numerics
