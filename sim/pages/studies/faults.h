// What fails while requests are served, as a page says it.
#pragma once
#include <string>
#include <vector>

#include "pages/charts/charts.h"
#include "pages/facts.h"

namespace moesim::pages {

/// What failed: "GPU 5", "node of GPU 120"; index: its number in the scenario.
std::string fault_name(const Facts& facts, int index);
/// Of a scope "6,gpu,restart": "GPU 5 at 270 s, restart"; as it stands where it is none.
std::string fault_title(const Facts& facts, const std::string& scope);

/// Marks of a chart over time: all faults of the scenario, and new plans.
struct Marks {
  std::vector<Guide> guides;
  std::string note;  // what numbers mean, where there are too many for words
};
Marks marks_of(const Facts& facts, const std::vector<double>& plans);
}  // namespace moesim::pages
