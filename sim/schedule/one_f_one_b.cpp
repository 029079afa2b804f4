#include <algorithm>

#include "schedule/pipeline.h"

namespace moesim {
namespace {
/// As many forwards as there are ranks behind, then one forward and one backward in turn.
/// Source: Narayanan et al., PipeDream, 2019 (the variant with a flush).
class OneFOneB final : public PipelineSchedule {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit OneFOneB(Params) {}
  std::string refusal(int, int) const override { return ""; }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    std::vector<std::vector<Instruction>> out(std::size_t(ranks), std::vector<Instruction>{});
    for (int rank = 0; rank < ranks; ++rank) {
      auto& program = out[std::size_t(rank)];
      const int warm_up = std::min(ranks - 1 - rank, micro_batches);
      for (int m = 0; m < warm_up; ++m) program.push_back({Op::forward, 0, 0, m});
      for (int m = 0; m < micro_batches; ++m) {
        if (m + warm_up < micro_batches) program.push_back({Op::forward, 0, 0, m + warm_up});
        program.push_back({Op::backward, 0, 0, m});
      }
    }
    return out;
  }
  int in_flight_bound(int ranks, int micro_batches, int rank) const override {
    return std::min(ranks - rank, micro_batches);
  }
};
}  // namespace

Strategy<PipelineSchedule> one_f_one_b_schedule() {
  return strategy<OneFOneB, PipelineSchedule>("1f1b", "one forward, one backward in turn after the warm-up");
}
}  // namespace moesim
