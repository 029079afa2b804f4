// moesim validate: every published measurement that a scenario knows, beside what the scenario gives.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "results/results.h"

namespace moesim::runs {

struct ValidationRow {
  std::string scenario, metric, scope, unit, source;
  double published = 0, simulated = 0;
  std::string title{};  // of the scenario
  // Of the worst pool; nothing where it is not known:
  std::optional<double> kernel_median{}, kernel_p90{}, borrowed{};
  std::uint64_t fingerprint = 0;  // of the run
  double error() const { return simulated / published - 1; }
};

/// How far the rows of one source are off; `source` is its name up to the first ", " or ": ", "all" for all rows.
struct ValidationSpread {
  std::string source;
  std::size_t rows = 0;
  double median = 0, worst = 0;  ///< of the absolute errors; of an even number, the mean of the middle two
};

/// All rows first, then source by source as they appear; none for no rows.
std::vector<ValidationSpread> spread_of(const std::vector<ValidationRow>& rows);

/// Runs the scenarios (none named: all of the catalogue that have a `published` list) on `jobs` threads; rows in their
/// order.  Throws ConfigError for a named scenario without published figures, and if the user interrupts it.
std::vector<ValidationRow> validate(std::vector<std::string> scenarios, int jobs);
/// Table validation, and a fingerprint of all runs.
void store(const std::vector<ValidationRow>& rows, results::Results& results, const std::string& command_line);
}  // namespace moesim::runs
