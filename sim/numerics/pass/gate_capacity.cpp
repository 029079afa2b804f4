#include <algorithm>
#include <cmath>
#include <numeric>

#include "numerics/pass/gates.h"

namespace moesim::numerics {
namespace {
/// Drops what an expert cannot take, as token-dropping training does.
/// Source: GShard, arXiv 2006.16668, section 2.2 (capacity); DeepSeek-V2 paper, section 2.2.3 (lowest scores first).
class Capacity final : public Gate {
 public:
  struct Params {
    double factor = 1.25;
    bool by_score = true;
    static void fields(auto& f, auto& p) {
      f("factor", p.factor, "tokens an expert takes in a pass, as a multiple of the mean");
      f("by_score", p.by_score, "the lowest gate weights are dropped; false: the last tokens");
    }
  };
  explicit Capacity(Params p) : p_(p) {}

  void choose(const GateInput& in, Routing& out) override {
    choose_as_published(in, out);
    const double mean = double(out.tokens) * out.top_k / in.moe.experts;
    const auto room = std::size_t(std::max(1.0, std::ceil(p_.factor * mean)));
    std::vector<std::vector<int>> choices(std::size_t(in.moe.experts));
    for (std::size_t i = 0; i < out.experts.size(); ++i) choices[std::size_t(out.experts[i])].push_back(int(i));
    for (std::vector<int>& mine : choices) {
      if (mine.size() <= room) continue;
      if (p_.by_score)
        std::ranges::stable_sort(
            mine, [&](int a, int b) { return out.weights[std::size_t(a)] > out.weights[std::size_t(b)]; });
      for (std::size_t i = room; i < mine.size(); ++i) {
        out.experts[std::size_t(mine[i])] = -1;
        out.weights[std::size_t(mine[i])] = 0;
      }
    }
  }

 private:
  Params p_;
};
}  // namespace

Strategy<Gate> capacity_gate() {
  return strategy<Capacity, Gate>("capacity",
                                  "the model's gate; experts take so many tokens a pass, the rest is dropped");
}
}  // namespace moesim::numerics
