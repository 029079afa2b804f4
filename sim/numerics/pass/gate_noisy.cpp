#include <fmt/format.h>

#include "core/random.h"
#include "numerics/pass/gates.h"

namespace moesim::numerics {
namespace {
/// Source: noisy top-k gating, Shazeer et al., arXiv 1701.06538, section 2.1, with one strength for all experts.
class Noisy final : public Gate {
 public:
  struct Params {
    double noise = 1;
    std::uint64_t seed = 1;
    static void fields(auto& f, auto& p) {
      f("noise", p.noise, "standard deviation of what is added to each logit");
      f("seed", p.seed, "of the noise");
    }
  };
  explicit Noisy(Params p) : p_(p) {}

  void choose(const GateInput& in, Routing& out) override {
    Random random(p_.seed, fmt::format("gate noise, call {}", calls_++));
    Matrix logits = in.logits;
    for (float& z : logits.values) z += float(p_.noise * random.normal());
    choose_as_published({in.machine, in.moe, in.layer, in.hidden, logits, in.bias}, out);
  }

 private:
  Params p_;
  int calls_ = 0;
};
}  // namespace

Strategy<Gate> noisy_gate() { return strategy<Noisy, Gate>("noisy", "the model's gate on logits with random noise"); }
}  // namespace moesim::numerics
