// moesim sweep: one scenario at many points, several at a time, all results in one database.
#pragma once
#include <string>

#include "runs/affordable.h"

namespace moesim::runs {

struct SweepOptions {
  std::string file, output;
  int jobs = 1;
  int shard = 1, shards = 1;  // this process takes every `shards`-th point, beginning with the `shard`-th
  bool resume = false;        // go on with what `output` holds, if it is there
  bool json = false;
  Limits limits{};
};

/// Runs the points of this shard and prints a table of them, or one JSON object.  A point that its study refuses, or in
/// which the program fails, is a row with the reason.
/// The database holds each point's run, metrics, series and stages (run number = point + 1), the same rows whatever
/// `jobs` is and however often it was cut short and resumed.  Returns 0; 1 if no point could be run; 70 if the program
/// failed in one.  Throws ConfigError for a sweep that makes no sense.
int sweep(const SweepOptions& options);
}  // namespace moesim::runs
