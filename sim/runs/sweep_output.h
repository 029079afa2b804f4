// The database of a sweep, written point by point.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/interrupt.h"
#include "results/store.h"
#include "runs/sweep_rows.h"

namespace moesim::runs {

/// One point of the grid, run or refused.
struct Point {
  std::vector<std::string> values, places;       // one an axis: what it takes, and where that is written
  std::string problem;                           // why it could not be run, or empty
  std::map<std::string, std::vector<Row>> rows;  // by table
  std::vector<std::string> shown;
};

/// What a sweep is, and which part of it this process runs.
struct SweepPart {
  std::string text;               // the sweep's file
  std::vector<std::string> axes;  // keys that vary
  std::int64_t points = 0;        // of the whole grid
  int shard = 1, shards = 1;
};

/// Stores points as they are done, in the order of their numbers, each in a transaction of its own: what is stored
/// stays whatever happens to the program.
class SweepOutput {
 public:
  /// numbers: the points to come, ascending.  Throws ConfigError if `file` cannot be made.
  SweepOutput(const std::string& file, SweepPart part, std::vector<int> numbers);
  /// Without finish(): stores what is done, in state "interrupted" or "failed".
  ~SweepOutput();
  SweepOutput(const SweepOutput&) = delete;
  SweepOutput& operator=(const SweepOutput&) = delete;

  /// For any thread.  The point's rows are gone after it; it must stay where it is until then.
  void add(int number, Point& point);
  void finish();
  /// "sweep.db holds 3 of 8 points", or "nothing was written".
  std::string left();

 private:
  void store(int number, Point& point);
  void store_all();
  std::string abandon();
  std::string said() const;

  std::string file_;
  SweepPart part_;
  std::vector<int> numbers_;
  std::size_t next_ = 0, stored_ = 0;  // of numbers_
  std::map<int, Point*> waiting_;      // for those before them
  std::optional<results::Database> db_;
  std::mutex mutex_;  // of all above, for single calls
  std::unique_ptr<Unfinished> unfinished_;
};
}  // namespace moesim::runs
