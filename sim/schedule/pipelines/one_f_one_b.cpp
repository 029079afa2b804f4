#include "schedule/pipelines/one_f_one_b.h"

namespace moesim::schedule {
namespace {
class OneFOneB final : public PipelineSchedule {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit OneFOneB(Params) {}
  std::string refusal(int, int) const override { return ""; }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    return one_f_one_b_programs(ranks, micro_batches, [](std::vector<Instruction>& program, int, int m) {
      program.push_back({Op::backward, 0, 0, m});
    });
  }
  int in_flight_bound(int ranks, int micro_batches, int rank) const override {
    return std::min(ranks - rank, micro_batches);
  }
};
}  // namespace

Strategy<PipelineSchedule> one_f_one_b_schedule() {
  return strategy<OneFOneB, PipelineSchedule>("1f1b", "one forward, one backward in turn after the warm-up");
}
}  // namespace moesim::schedule
