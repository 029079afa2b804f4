// Writes a results database: rows in batches, and a run row that says whether the run came to its end.
#pragma once
#include <bitset>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/interrupt.h"
#include "core/units.h"
#include "results/committer.h"
#include "results/schema.h"
#include "results/store.h"

namespace moesim::results {

/// What identifies a run before it starts.
struct RunIdentity {
  std::string title, study, file, scenario, resolved;
  std::uint64_t seed = 1;
  struct Option {
    std::string name, value;  // "--set", "model=deepseek-v3"
  };
  std::vector<Option> options{};  // of the command line, those that change the run
};

class Results {
 public:
  /// null, integer, real or text; a Time becomes seconds, Bytes an integer.
  struct Value : std::variant<std::monostate, std::int64_t, double, std::string> {
    using variant::variant;
    Value(int v) : variant(std::int64_t{v}) {}
    Value(unsigned v) : variant(std::int64_t{v}) {}
    Value(std::size_t v) : variant(std::int64_t(v)) {}
    Value(const char* v) : variant(std::string(v)) {}
    Value(std::string_view v) : variant(std::string(v)) {}
    Value(Time v) : variant(seconds(v)) {}
    Value(Bytes v) : variant(v.v) {}
  };
  static Value null() { return Value{}; }

  /// Creates `file` (":memory:" keeps it in memory) and the run's row, in state "running".
  /// Rows are committed every two seconds at least.  Throws ConfigError if the file exists or cannot be made.
  Results(const std::string& file, const RunIdentity& identity);
  /// For figures that are asked for at once: in memory, with the rows of these tables alone.  Metrics can be asked for
  /// in any case.
  explicit Results(std::initializer_list<Table> kept);
  /// Without finish(): keeps the rows, in state "failed" or "interrupted".  Removes the file if there are none, or none
  /// was committed when the run was refused: then it is as if it had not begun.
  ~Results();
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;

  /// Appends a row: the table's columns in order, without the leading `run`.
  void add(Table table, std::initializer_list<Value> values);
  void add(Table table, const std::vector<Value>& values);
  /// A figure of the whole run, or of `scope` ("stage:3").  Throws std::logic_error if it is not finite, or is not
  /// defined in this unit for such a scope (metrics.h).
  void metric(std::string_view name, double value, std::string_view unit, std::string_view scope = "run");
  /// A figure at a moment, for a row of the table `series`.  Throws as metric() does.
  void reading(std::string_view name, Time at, double value, std::string_view unit, std::string_view scope);
  /// The figure as stored, for expectations and summaries.  Throws std::logic_error if absent.
  double metric_value(std::string_view name, std::string_view scope = "run") const;
  const std::string& metric_unit(std::string_view name, std::string_view scope = "run") const;
  bool has_metric(std::string_view name, std::string_view scope = "run") const;

  struct Ending {
    std::string state = "complete";  // or "interrupted"
    std::uint64_t fingerprint = 0, events = 0;
    Time simulated_time{};
    double wall_time = 0;  // s
  };
  /// Writes what is left and closes the run's row.  Reading through database() stays possible.
  void finish(const Ending& ending, const std::string& resolved);
  /// For reading what was written; flushes first.
  Database& database();

 private:
  void flush();
  void commit();
  std::string abandon();
  Statement& insert_into(Table table);
  void insert(Table table, const Value* values, std::size_t count);

  std::string file_;
  Database db_;
  std::bitset<64> dropped_;  // tables whose rows are not kept
  std::map<Table, Statement> inserts_;
  struct Figure {
    double value;
    std::string unit;
  };
  const Figure& figure(std::string_view name, std::string_view scope) const;
  std::map<std::pair<std::string, std::string>, Figure> metrics_;  // (scope, name)
  int pending_ = 0;                                                // rows since the last commit
  std::int64_t rows_ = 0;   // results: all rows but the run's own and its assumptions
  bool committed_ = false;  // some of them
  bool finished_ = false;
  std::string unwritable_;  // why a commit failed in the background
  std::mutex mutex_;        // of all above, for single calls
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Unfinished> unfinished_;
};

/// Throws ConfigError unless `db` is a results database of this schema version; says so if its run did not end.
void check_results(const Database& db, bool say_unfinished = true);

/// The most memory this process has held, in bytes.
std::int64_t peak_rss();
}  // namespace moesim::results
