// Compares two results databases: where their runs begin to differ.
#pragma once
#include <string>
#include <vector>

#include "results/store.h"

namespace moesim::results {

struct MetricChange {
  std::string scope, name, unit;
  double a = 0, b = 0;
  bool only_a = false, only_b = false;
};
struct RunDifference {
  std::vector<std::string> settings;  // "key: a -> b" for every resolved value that differs, scenario order
  std::vector<MetricChange> metrics;  // every metric whose value differs, or that one run lacks
  std::vector<std::string> rows;      // "table: first differing row", one a table
  bool same_fingerprint = true;
  bool equal() const { return settings.empty() && metrics.empty() && rows.empty() && same_fingerprint; }
};

/// Wall time, memory of the program and file names do not count.  Throws ConfigError if a file is not a results
/// database of this schema version.
RunDifference difference(const Database& a, const Database& b);
/// As text: settings, then the largest changes first, each with whether it is for the better (metrics.h).
std::string difference_text(const RunDifference& d, const std::string& a, const std::string& b);
}  // namespace moesim::results
