#include <algorithm>

#include "schedule/pipeline.h"

namespace moesim {
namespace {
/// 1F1B with the weight gradients split off: rank r does each W r micro-batches late, so that inputs' gradients travel
/// without waiting for it and every rank holds at most as many activations as 1F1B's first.
/// Source: Qi et al., Zero Bubble Pipeline Parallelism, 2023 (ZB-H1; "ZB1P" in DeepSeek's tables).
class ZbH1 final : public PipelineSchedule {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit ZbH1(Params) {}
  std::string refusal(int, int) const override { return ""; }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    std::vector<std::vector<Instruction>> out(std::size_t(ranks), std::vector<Instruction>{});
    for (int rank = 0; rank < ranks; ++rank) {
      auto& program = out[std::size_t(rank)];
      const int warm_up = std::min(ranks - 1 - rank, micro_batches);
      int weights = 0;
      for (int m = 0; m < micro_batches; ++m) {
        if (m == 0)
          for (int f = 0; f < warm_up; ++f) program.push_back({Op::forward, 0, 0, f});
        if (m + warm_up < micro_batches) program.push_back({Op::forward, 0, 0, m + warm_up});
        program.push_back({Op::backward_input, 0, 0, m});
        // In the cool-down (no F left) W fills the wait for the next gradient.
        if (m >= rank) program.push_back({Op::weight, 0, 0, weights++});
      }
      while (weights < micro_batches) program.push_back({Op::weight, 0, 0, weights++});
    }
    return out;
  }
  int in_flight_bound(int ranks, int micro_batches, int) const override { return std::min(ranks, micro_batches); }
};
}  // namespace

Strategy<PipelineSchedule> zb_h1_schedule() {
  return strategy<ZbH1, PipelineSchedule>("zb_h1", "1f1b with late weight gradients, the memory of 1f1b (ZB1P)");
}
}  // namespace moesim
