#include "schedule/pipelines/v_schedule.h"

namespace moesim::schedule {
namespace {
/// (p + 4) / 3 micro-batches of two chunks each.
/// Source: Qi et al., Pipeline Parallelism with Controllable Memory, 2024 (V-Min), with its schedulers' table.
struct LeastMemory {
  static constexpr const char* kKind = "v_min";
  static int of(int ranks) { return 2 * ((ranks + 4) / 3); }
};
}  // namespace

Strategy<PipelineSchedule> v_min_schedule() {
  return strategy<VSchedule<LeastMemory>, PipelineSchedule>(
      "v_min", "zb_v with a third of its activations, the least a V takes");
}
}  // namespace moesim::schedule
