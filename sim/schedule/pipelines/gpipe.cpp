#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {
namespace {
/// All forwards, then all backwards, newest first.  Source: Huang et al., GPipe, 2019.
class Gpipe final : public PipelineSchedule {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit Gpipe(Params) {}
  std::string refusal(int, int) const override { return ""; }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    std::vector<Instruction> program;
    for (int m = 0; m < micro_batches; ++m) program.push_back({Op::forward, 0, 0, m});
    for (int m = micro_batches; m-- > 0;) program.push_back({Op::backward, 0, 0, m});
    return std::vector<std::vector<Instruction>>(std::size_t(ranks), program);
  }
  int in_flight_bound(int, int micro_batches, int) const override { return micro_batches; }
};
}  // namespace

Strategy<PipelineSchedule> gpipe_schedule() {
  return strategy<Gpipe, PipelineSchedule>("gpipe", "all forwards, then all backwards");
}
}  // namespace moesim::schedule
