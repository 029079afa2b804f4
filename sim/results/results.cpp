#include "results/results.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cmath>

#include "core/check.h"
#include "core/config.h"
#include "core/files.h"
#include "core/log.h"
#include "results/metrics.h"
#include "results/output.h"
#include "results/program.h"

namespace moesim::results {
namespace {
constexpr int kBatch =
    20'000;  // rows a transaction: large enough that syncing costs nothing, small enough to lose little

void bind(Statement& s, int i, const Results::Value& v) {
  if (const auto* integer = std::get_if<std::int64_t>(&v)) return void(s.bind(i, *integer));
  if (const auto* real = std::get_if<double>(&v)) return void(s.bind(i, *real));
  if (const auto* text = std::get_if<std::string>(&v)) return void(s.bind(i, *text));
  s.bind_null(i);
}
}  // namespace

Results::Results(const std::string& file, const RunIdentity& id)
    : file_(file), db_(file == ":memory:" ? Database::in_memory() : Database::create(file, schema_sql())) {
  if (file_ == ":memory:") db_.exec(schema_sql());
  Statement s = db_.prepare(
      "INSERT INTO run (run, title, study, file, scenario, resolved, seed, version, state) VALUES "
      "(1,?,?,?,?,?,?,?,'running')");
  s.bind(0, id.title).bind(1, id.study).bind(2, id.file).bind(3, id.scenario).bind(4, id.resolved);
  s.bind(5, std::int64_t(id.seed)).bind(6, std::string_view(program())).run();
  for (const RunIdentity::Option& o : id.options)
    db_.prepare("INSERT INTO option VALUES (1,?,?)").bind(0, o.name).bind(1, o.value).run();
  db_.exec("BEGIN");
  if (file_ == ":memory:") return;
  unfinished_ = std::make_unique<Unfinished>([this] {
    mutex_.lock();  // for good: nothing may be written after this
    return finished_ ? fmt::format("{} is complete", file_) : abandon();
  });
  committer_ = std::make_unique<Committer>([this] { commit(); });
}

Results::Results(std::initializer_list<Table> kept) : file_(":memory:"), db_(Database::in_memory()) {
  dropped_.set();
  for (const Table table : kept) {
    dropped_.reset(std::size_t(table));
    db_.exec(table_sql(definition(table)));
  }
  db_.exec("BEGIN");
}

Results::~Results() {
  unfinished_.reset();
  committer_.reset();
  if (!finished_ && file_ != ":memory:") (void)abandon();
}

/// Ends the file as what it is.  Returns what the user has now, or "" for nothing.  Does not throw.
std::string Results::abandon() {
  std::string left;
  try {
    inserts_.clear();
    if (rows_ > 0 && (committed_ || interrupted())) {
      db_.exec("COMMIT");
      db_.prepare("UPDATE run SET state = ?").bind(0, std::string_view(interrupted() ? "interrupted" : "failed")).run();
      const bool figures =
          db_.value("SELECT 1 FROM metric UNION ALL SELECT 1 FROM trial UNION ALL SELECT 1 FROM step_trial LIMIT 1")
              .has_value();
      left = fmt::format("{} holds {}", file_, figures ? "what was done until then" : "no figures yet");
      db_.close();
    } else {
      db_.exec("ROLLBACK");
      db_.close();
      remove_output(file_);
    }
  } catch (const std::exception&) {  // of a full disk, say: what was committed before is there
  }
  return left;
}

Statement& Results::insert_into(Table table) {
  if (const auto it = inserts_.find(table); it != inserts_.end()) return it->second;
  const TableDefinition& t = definition(table);
  std::string marks;
  for (std::size_t i = 0; i < t.columns.size(); ++i) marks += i == 0 ? "?" : ",?";
  return inserts_.emplace(table, db_.prepare(fmt::format("INSERT INTO {} VALUES ({})", t.name, marks))).first->second;
}

void Results::insert(Table table, const Value* values, std::size_t count) {
  const TableDefinition& t = definition(table);
  const bool has_run = t.columns.front().name == "run";
  check(count + (has_run ? 1 : 0) == t.columns.size(), "table {} has {} columns, got {} values", t.name,
        t.columns.size(), count);
  if (dropped_[std::size_t(table)]) return;
  const std::lock_guard lock(mutex_);
  check(!finished_, "a row for table {} came after the run was finished", t.name);
  if (!unwritable_.empty()) throw ConfigError::placed(unwritable_);
  Statement& s = insert_into(table);
  if (has_run) s.bind(0, 1);
  for (std::size_t i = 0; i < count; ++i) bind(s, int(i) + (has_run ? 1 : 0), values[i]);
  s.run();
  if (table != Table::assumption) ++rows_;
  if (++pending_ >= kBatch) flush();
}
void Results::add(Table table, std::initializer_list<Value> values) { insert(table, values.begin(), values.size()); }
void Results::add(Table table, const std::vector<Value>& values) { insert(table, values.data(), values.size()); }

void Results::metric(std::string_view name, double value, std::string_view unit, std::string_view scope) {
  check_metric(name, unit, scope, false);
  check(std::isfinite(value), "metric {} of {} is {}", name, scope, value);
  add(Table::metric, {name, value, unit, scope});
  metrics_[{std::string(scope), std::string(name)}] = {value, std::string(unit)};
}

void Results::reading(std::string_view name, Time at, double value, std::string_view unit, std::string_view scope) {
  check_metric(name, unit, scope, true);
  check(std::isfinite(value), "metric {} of {} is {} at {} s", name, scope, value, seconds(at));
  add(Table::series, {name, scope, at, value, unit});
}

bool Results::has_metric(std::string_view name, std::string_view scope) const {
  return metrics_.contains({std::string(scope), std::string(name)});
}

const Results::Figure& Results::figure(std::string_view name, std::string_view scope) const {
  const auto it = metrics_.find({std::string(scope), std::string(name)});
  check(it != metrics_.end(), "no metric {} of {}", name, scope);
  return it->second;
}
double Results::metric_value(std::string_view name, std::string_view scope) const { return figure(name, scope).value; }
const std::string& Results::metric_unit(std::string_view name, std::string_view scope) const {
  return figure(name, scope).unit;
}

void Results::flush() {
  db_.exec("COMMIT; BEGIN");
  pending_ = 0;
  committed_ = rows_ > 0;
}

/// In the background.
void Results::commit() {
  const std::lock_guard lock(mutex_);
  if (finished_ || pending_ == 0 || !unwritable_.empty()) return;
  try {
    flush();
  } catch (const std::exception& e) {
    unwritable_ = e.what();
  }
}

Database& Results::database() {
  const std::lock_guard lock(mutex_);
  if (!finished_) flush();
  return db_;
}

void Results::finish(const Ending& e, const std::string& resolved) {
  const bool file = file_ != ":memory:";
  if (file) end_has_begun();
  committer_.reset();
  const std::lock_guard lock(mutex_);
  if (!unwritable_.empty()) throw ConfigError::placed(unwritable_);
  Statement s = db_.prepare(
      "UPDATE run SET state = ?, fingerprint = ?, events = ?, simulated_time = ?, wall_time = ?, peak_rss = ?, "
      "resolved = ?");
  s.bind(0, e.state).bind(1, fmt::format("{:016x}", e.fingerprint)).bind(2, std::int64_t(e.events));
  s.bind(3, seconds(e.simulated_time)).bind(4, e.wall_time).bind(5, peak_rss()).bind(6, resolved).run();
  if (e.state == "complete" || e.state == kUnanswered) db_.exec(fmt::format("PRAGMA application_id = {}", kWhole));
  db_.exec("COMMIT");
  inserts_.clear();
  finished_ = true;
  if (file && !db_.settle()) db_.say_log_stays();
}

void check_results(const Database& db, bool say_unfinished) {
  if (!db.has_table("run") || !db.has_table("metric"))
    throw ConfigError(fmt::format("{}: is not a results database (it has no tables run and metric)", db.file()));
  const std::string found = db.value("PRAGMA user_version").value_or("0");
  if (found != fmt::to_string(kSchemaVersion))
    throw ConfigError(
        fmt::format("{}: is a results database of schema version {}, this program reads version {}; run it again",
                    db.file(), found, kSchemaVersion));
  if (!db.has_tables_of(schema_sql()))
    throw ConfigError(
        fmt::format("{}: its tables are not those of a results database (moesim list schema)", db.file()));
  if (!say_unfinished) return;
  const auto state = db.value("SELECT state FROM run WHERE state <> 'complete'");
  if (state == kUnanswered)
    say(
        fmt::format("{}: holds simulations of a plan and not yet its answer: moesim merge puts shards together, moesim "
                    "size --resume answers",
                    db.file()));
  else if (state)
    say(fmt::format("{}: its run did not come to its end (state \"{}\"), so rows are missing", db.file(), *state));
}

std::int64_t peak_rss() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}
}  // namespace moesim::results
