#include "schedule/pipelines/list_order.h"
#include "schedule/pipelines/one_f_one_b.h"

namespace moesim::schedule {
namespace {
using Programs = std::vector<std::vector<Instruction>>;

/// 1F1B with the weight gradients split off: rank r does each W r micro-batches late, so that inputs' gradients travel
/// without waiting for it and every rank holds at most as many activations as 1F1B's first.  At the times of real
/// stages a list schedule within the same activations, 1F1B with its W where they were, or this, whichever ends first.
/// Source: Qi et al., Zero Bubble Pipeline Parallelism, 2023 (ZB-H1; "ZB1P" in DeepSeek's tables).
class ZbH1 final : public PipelineSchedule {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit ZbH1(Params) {}
  std::string refusal(int, int) const override { return ""; }
  Programs programs(int ranks, int micro_batches) const override {
    return one_f_one_b_programs(ranks, micro_batches,
                                [micro_batches](std::vector<Instruction>& program, int rank, int m) {
                                  program.push_back({Op::backward_input, 0, 0, m});
                                  // In the cool-down (no F left) W fills the wait for the next gradient.
                                  if (m >= rank) program.push_back({Op::weight, 0, 0, m - rank});
                                  if (m + 1 == micro_batches)
                                    for (int w = std::max(0, micro_batches - rank); w < micro_batches; ++w)
                                      program.push_back({Op::weight, 0, 0, w});
                                });
  }
  bool follows_times() const override { return true; }
  Programs programs_at(int ranks, int micro_batches, const ScheduleCosts& costs) const override {
    Programs best = programs(ranks, micro_batches);
    Programs early = one_f_one_b_programs(ranks, micro_batches, [](std::vector<Instruction>& program, int, int m) {
      program.push_back({Op::backward_input, 0, 0, m}), program.push_back({Op::weight, 0, 0, m});
    });
    const auto end_of = [&](const Programs& programs) {
      return time_schedule({"", Layout::straight, ranks, 1, micro_batches, programs}, costs).end.v;
    };
    std::int64_t end = end_of(best);
    if (const std::int64_t other = end_of(early); other < end) best = std::move(early), end = other;
    ListOrder listed = best_order(list_work(ranks, 1, micro_batches, std::min(ranks, micro_batches), costs));
    return listed.end < end ? std::move(listed.programs) : best;
  }
  int in_flight_bound(int ranks, int micro_batches, int) const override { return std::min(ranks, micro_batches); }
};
}  // namespace

Strategy<PipelineSchedule> zb_h1_schedule() {
  return strategy<ZbH1, PipelineSchedule>("zb_h1", "1f1b with late weight gradients, the memory of 1f1b (ZB1P)");
}
}  // namespace moesim::schedule
