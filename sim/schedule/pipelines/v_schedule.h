// What the schedules with two chunks a rank in a V share: they differ in the activations that a rank may hold.
#pragma once
#include <string>

#include "schedule/pipelines/list_order.h"

namespace moesim::schedule {

/// For which times a schedule is written.
struct VParams {
  int forward = 0, backward_input = 0, weight = 0;
  static void fields(auto& f, auto& p) {
    f("forward", p.forward,
      "relative cost of F that the schedule is written for; none of the three: the stages' own times");
    f("backward_input", p.backward_input, "of I");
    f("weight", p.weight, "of W");
  }
  bool given() const { return forward != 0 || backward_input != 0 || weight != 0; }
  ScheduleCosts costs() const;
  std::string refusal(const char* kind) const;
};

/// Weight gradients wherever a rank would wait: the best of many list schedules within `limit` of a number of ranks.
template <class Limit>
class VSchedule final : public PipelineSchedule {
 public:
  using Params = VParams;
  explicit VSchedule(Params p) : p_(p) {}
  Layout layout() const override { return Layout::wave; }
  int chunks() const override { return 2; }
  std::string refusal(int, int) const override { return p_.refusal(Limit::kKind); }
  std::vector<std::vector<Instruction>> programs(int ranks, int micro_batches) const override {
    return programs_at(ranks, micro_batches, p_.costs());
  }
  bool follows_times() const override { return !p_.given(); }
  std::vector<std::vector<Instruction>> programs_at(int ranks, int micro_batches,
                                                    const ScheduleCosts& costs) const override {
    return best_order(list_work(ranks, 2, micro_batches, Limit::of(ranks), costs)).programs;
  }
  int in_flight_bound(int ranks, int, int) const override { return Limit::of(ranks); }

 private:
  Params p_;
};
}  // namespace moesim::schedule
