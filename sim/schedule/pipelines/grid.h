// The familiar picture of a pipeline: one row a rank, time to the right.
#pragma once
#include <string>

#include "schedule/pipelines/timing.h"

namespace moesim::schedule {

/// Text: one cell a unit of the greatest common divisor of the durations; micro-batch numbers, F plain, I and B with
/// a letter before, "." idle.
std::string schedule_grid(const Schedule& schedule, const ScheduleTiming& timing);
/// A self-contained SVG picture with a legend.
std::string schedule_svg(const Schedule& schedule, const ScheduleTiming& timing);
/// One line a rank: busy, idle, share idle, most activations held.
std::string schedule_table(const Schedule& schedule, const ScheduleTiming& timing);
}  // namespace moesim::schedule
