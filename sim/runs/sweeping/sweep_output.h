// The database of a sweep, written point by point, and gone on with.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/interrupt.h"
#include "results/store.h"
#include "runs/sweeping/points.h"

namespace moesim::runs {

/// What a sweep is, and which part of it this process runs.
struct SweepPart {
  std::string text, scenario;     // the sweep's file, and its scenario's
  std::vector<std::string> axes;  // keys that vary
  std::int64_t points = 0;        // of the whole sweep
  int shard = 1, shards = 1;
  std::string file;  // as the command named it
};

/// Stores each point as it is done, in a transaction of its own: what is stored stays whatever happens to the program.
/// When all are there they are put in the order of their numbers.
class SweepOutput {
 public:
  /// numbers: the points of this part, ascending.  resume: go on with what `file` holds, if it is there.
  /// Throws ConfigError if `file` cannot be made; or, to be gone on with, is of another sweep, part, scenario or
  /// version of the program, or is being written.
  SweepOutput(const std::string& file, SweepPart part, std::vector<int> numbers, bool resume = false);
  /// Without finish(): keeps what is done, in state "interrupted" or "failed".
  ~SweepOutput();
  SweepOutput(const SweepOutput&) = delete;
  SweepOutput& operator=(const SweepOutput&) = delete;

  /// Points that the file held when it was opened; those that failed are run again, unless it is whole.
  const std::set<int>& held() const { return held_; }
  const std::string& file() const { return file_; }
  /// Whether a held point that was run again has the figures that are stored.
  bool agrees(int number, const Point& again) const;
  /// Fills in what became of a held point, with the metrics of these names.
  void read(int number, const std::vector<std::string>& metrics, Point& point) const;

  /// For any thread.  The point's rows are gone after it.
  void add(int number, Point& point);
  void finish();
  /// "sweep.db holds 3 of 8 points", or "nothing was written".
  std::string left();

 private:
  void open_to_resume();
  void refuse_other_sweep() const;
  void put_in_order();
  std::string abandon();
  std::string said() const;

  std::string file_;
  SweepPart part_;
  std::vector<int> numbers_;
  std::set<int> held_;
  std::size_t stored_ = 0;  // of numbers_
  bool whole_ = false;      // was, when it was opened
  int last_ = -1;           // stored
  bool in_order_ = true;    // so far
  std::optional<results::Database> db_;
  std::mutex mutex_;  // of all above, for single calls
  std::unique_ptr<Unfinished> unfinished_;
};
}  // namespace moesim::runs
