#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {

Strategy<PipelineSchedule> gpipe_schedule(), one_f_one_b_schedule(), interleaved_schedule(), zb_h1_schedule(),
    zb_v_schedule(), v_half_schedule(), v_min_schedule(), dualpipe_schedule(), dualpipev_schedule(),
    file_schedule();  // one per policy file, two in dualpipe

const Family<PipelineSchedule>& pipeline_schedules() {
  static const Family<PipelineSchedule> family(
      "schedule", {gpipe_schedule(), one_f_one_b_schedule(), interleaved_schedule(), zb_h1_schedule(), zb_v_schedule(),
                   v_half_schedule(), v_min_schedule(), dualpipe_schedule(), dualpipev_schedule(), file_schedule()});
  return family;
}
}  // namespace moesim::schedule
