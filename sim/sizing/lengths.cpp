#include "sizing/lengths.h"

#include "serving/traces/workloads.h"

namespace moesim::sizing {

double share_longer(const Plan& plan, bool prompts, std::int64_t tokens) {
  constexpr int kDrawn = 20'000;  // as a plan's load is looked at
  const Config at = plan.config.at("size").at("workload");
  const auto workload = at.placed([&] { return serving::workloads().make(at, {.seed = plan.seed}); });
  const std::int64_t context = plan.model.max_positions;
  int drawn = 0, longer = 0;
  while (drawn < kDrawn) {
    auto request = workload->next();
    if (!request) break;
    while (request && drawn < kDrawn) {
      const std::int64_t all = std::int64_t{request->input} + request->output;
      ++drawn;
      if (context > 0 && all > context) break;
      longer += (prompts ? request->input : all) > tokens;
      request = workload->follow_up(*request, request->arrival);
    }
  }
  return drawn > 0 ? double(longer) / drawn : 0;
}
}  // namespace moesim::sizing
