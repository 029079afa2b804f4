// moesim schedule --from: a schedule at the times of a scenario's own stages.
#pragma once
#include <string>
#include <vector>

#include "cli/options.h"

namespace moesim::cli {

struct ScheduleFrom {
  std::string kind, scenario, svg;
  int chunks = 0;
  std::vector<std::string> sets;
  LimitOptions limits;
};
/// Simulates a step of the scenario with the schedule, and prints what each stage's work takes and the schedule at
/// these times.  Throws ConfigError for a scenario without training, and for what the schedule cannot do with it.
void schedule_from(const ScheduleFrom& from);
}  // namespace moesim::cli
