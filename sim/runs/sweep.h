// moesim sweep: one scenario at every point of a grid of values, several at a time, all results in one database.
#pragma once
#include <string>
#include <vector>

#include "core/config.h"
#include "runs/affordable.h"

namespace moesim::runs {

/// One axis of the grid.
struct SweepAxis {
  std::string key;  // path in the scenario
  std::vector<Config> values;
  static void fields(auto& f, auto& p) {
    f.required("key", p.key, "path of the value to vary, for example training.schedule");
    f.required("values", p.values, "what it takes in turn: numbers, words, or maps on one line");
  }
};

struct SweepSection {
  std::string title, scenario;
  std::vector<SweepAxis> vary;
  std::vector<std::string> set, show{"step_time"};
  static void fields(auto& f, auto& p) {
    f("title", p.title, "what the sweep asks");
    f.required("scenario", p.scenario, "the scenario to vary: a file beside this one, or a name");
    f.required("vary", p.vary, "axes of the grid; the last one varies fastest");
    f("set", p.set, "values that all points share: key.path=value");
    f("show", p.show, "metrics to print for each point");
  }
};

struct SweepOptions {
  std::string file, output;
  int jobs = 1;
  int shard = 1, shards = 1;  // this process takes every `shards`-th point, beginning with the `shard`-th
  Limits limits{};
};

/// Runs the points of this shard and prints a table of them.  A point that its study refuses is a row with the reason.
/// The database holds each point's run, metrics, series and stages (run number = point + 1), the same rows whatever
/// `jobs` is. Returns 0, or 1 if no point could be run; throws ConfigError for a sweep that makes no sense.
int sweep(const SweepOptions& options);
}  // namespace moesim::runs
