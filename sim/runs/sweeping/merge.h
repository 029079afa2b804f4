// moesim merge: the shards of one sweep in one database.
#pragma once
#include <string>
#include <vector>

namespace moesim::runs {

struct MergeOptions {
  std::string output;
  std::vector<std::string> shards;
  bool partial = false;  // points may be missing
};

/// Copies the rows of shards of one sweep into a new database, points in order.
/// Throws ConfigError if one is no shard of this schema version, they are of different sweeps, two hold the same point,
/// or (unless partial) a point is missing.
void merge_sweeps(const MergeOptions& options);
}  // namespace moesim::runs
