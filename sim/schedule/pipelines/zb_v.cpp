#include "schedule/pipelines/v_schedule.h"

namespace moesim::schedule {
namespace {
/// The activations of 1F1B's first rank: two chunks for each rank.
/// Source of the shape: Qi et al., Zero Bubble Pipeline Parallelism, 2023, section 6 (ZB-V).
struct WholeMemory {
  static constexpr const char* kKind = "zb_v";
  static int of(int ranks) { return 2 * ranks; }
};
}  // namespace

Strategy<PipelineSchedule> zb_v_schedule() {
  return strategy<VSchedule<WholeMemory>, PipelineSchedule>(
      "zb_v", "zero bubble: two chunks in a V, weight gradients fill the waits");
}
}  // namespace moesim::schedule
