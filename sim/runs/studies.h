// The studies a scenario can ask for, each by the section that describes it.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/estimate.h"
#include "core/key_help.h"
#include "results/study.h"

namespace moesim::runs {

struct StudyEntry {
  std::string_view section;  // the scenario's section, also the name of its summary in reports/
  std::string_view summary;
  results::Study run;
  std::vector<KeyHelp> (*keys)();                            // of the section
  Estimate (*estimate)(const Config& scenario, bool spans);  // what a run takes; spans: kept for a timeline
  void (*check)(const Config& scenario) = nullptr;           // refuses wrong input, and runs nothing
};

/// One line a study; a scenario has exactly one of these sections.
std::span<const StudyEntry> studies();
}  // namespace moesim::runs
