// moesim validate: every published measurement that a scenario knows, beside what the scenario gives.
#pragma once
#include <string>
#include <vector>

namespace moesim::runs {

struct ValidationRow {
  std::string scenario, metric, scope, unit, source;
  double published = 0, simulated = 0;
  double error() const { return simulated / published - 1; }
};

/// Runs the scenarios (none named: all of the catalogue that have a `published` list) on `jobs` threads; rows in their
/// order.  Throws ConfigError for a named scenario without published figures, and if the user interrupts it.
std::vector<ValidationRow> validate(std::vector<std::string> scenarios, int jobs);
}  // namespace moesim::runs
