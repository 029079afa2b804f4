#include "schedule/pipelines/v_schedule.h"

namespace moesim::schedule {
namespace {
/// (p + 2) / 2 micro-batches of two chunks each.
/// Source: Qi et al., Pipeline Parallelism with Controllable Memory, 2024 (V-Half), with its schedulers' table.
struct HalfMemory {
  static constexpr const char* kKind = "v_half";
  static int of(int ranks) { return 2 * ((ranks + 2) / 2); }
};
}  // namespace

Strategy<PipelineSchedule> v_half_schedule() {
  return strategy<VSchedule<HalfMemory>, PipelineSchedule>("v_half", "zb_v with half of its activations");
}
}  // namespace moesim::schedule
