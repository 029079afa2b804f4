// What each pipeline stage's work took in a simulated step, for timing schedules by themselves.
#pragma once
#include "schedule/pipelines/timing.h"
#include "training/step.h"

namespace moesim::training {

/// Of a step of `setup`: by stage and kind of work the median over its micro-batches, waits for other GPUs of an
/// exchange included, and what sending an activation to the next rank takes.  Work that the schedule has not keeps 0.
schedule::ScheduleCosts stage_times(TrainingSetup& setup, const schedule::StepOutcome& step);

/// When the last of a step's instructions but the optimiser's ended.
Time pipeline_end(const schedule::StepOutcome& step);
}  // namespace moesim::training
