#include "runs/sweeping/sweep_output.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/check.h"
#include "results/output.h"
#include "results/program.h"
#include "results/schema.h"
#include "results/sql.h"

namespace moesim::runs {

SweepOutput::SweepOutput(const std::string& file, SweepPart part, std::vector<int> numbers, bool resume)
    : file_(file), part_(std::move(part)), numbers_(std::move(numbers)) {
  if (resume && std::filesystem::exists(file)) {
    open_to_resume();
  } else {
    db_ = results::Database::create(file, results::schema_sql());
    insert_rows(*db_, "sweep", {{part_.text, part_.points, part_.shard, part_.shards, "running"}});
    insert_rows(*db_, "option", {{1, "sweep", part_.file}});
  }
  if (whole_) return;
  unfinished_ = std::make_unique<Unfinished>([this] {
    mutex_.lock();  // for good: nothing may be written after this
    return db_ ? abandon() : fmt::format("{} is complete", file_);
  });
}

SweepOutput::~SweepOutput() {
  unfinished_.reset();
  if (db_ && !whole_) (void)abandon();
}

void SweepOutput::open_to_resume() {
  {
    const results::Database looked_at = results::Database::open(file_);
    results::check_results(looked_at);
    whole_ = looked_at.value("PRAGMA application_id") == fmt::to_string(results::kWhole);
  }
  db_ = whole_ ? results::Database::open(file_) : results::Database::resume(file_);
  refuse_other_sweep();
  if (!whole_) db_->exec("DELETE FROM sweep_point WHERE problem <> ''");
  results::Statement s = db_->prepare("SELECT DISTINCT point FROM sweep_point");
  while (s.step()) held_.insert(int(s.integer(0)));
  stored_ = held_.size();
  if (!held_.empty()) last_ = *held_.rbegin();
  if (whole_) {
    check(stored_ == numbers_.size(), "{} is whole and holds {} of {} points", file_, stored_, numbers_.size());
    return;
  }
  db_->exec("UPDATE sweep SET state = 'running'");
}

void SweepOutput::refuse_other_sweep() const {
  const auto refuse = [&](const std::string& why) {
    throw ConfigError::placed(file_ + ": cannot be gone on with: " + why);
  };
  if (!db_->has_table("sweep") || db_->value("SELECT count(*) FROM sweep") != "1")
    refuse("it does not hold one sweep, or part of one");
  results::Statement s = db_->prepare("SELECT sweep, points, shard, shards FROM sweep");
  s.step();
  if (s.text(0) != part_.text || s.integer(1) != part_.points)
    refuse("it is of another sweep, or of another text of it");
  if (s.integer(2) != part_.shard || s.integer(3) != part_.shards)
    refuse(fmt::format("it is shard {}/{}, asked for is {}/{}", s.integer(2), s.integer(3), part_.shard, part_.shards));
  s.reset();
  const std::set<int> mine(numbers_.begin(), numbers_.end());
  results::Statement points = db_->prepare("SELECT DISTINCT point FROM sweep_point");
  while (points.step())
    if (!mine.contains(int(points.integer(0))))
      refuse(fmt::format("it holds point {} of another shard", points.integer(0)));
  results::Statement runs = db_->prepare("SELECT DISTINCT scenario, version FROM run");
  while (runs.step()) {
    if (runs.text(0) != part_.scenario) refuse("its points were run with another text of the scenario");
    if (results::figures_by(runs.text(1)) != results::figures_by(results::program()))
      refuse(fmt::format("its points were run by version {}, this is {}", runs.text(1), results::program()));
  }
}

bool SweepOutput::agrees(int number, const Point& again) const {
  results::Statement s = db_->prepare("SELECT value FROM metric WHERE run = ? ORDER BY rowid");
  s.bind(0, number + 1);
  const auto rows = again.rows.find("metric");
  std::size_t i = 0;
  for (; s.step(); ++i) {
    constexpr std::size_t kValue = 2;  // of the table's columns
    if (rows == again.rows.end() || i >= rows->second.size()) return false;
    const auto* value = std::get_if<double>(&rows->second[i].at(kValue));
    if (value == nullptr || *value != s.real(0)) return false;
  }
  return rows != again.rows.end() && i == rows->second.size();
}

void SweepOutput::read(int number, const std::vector<std::string>& metrics, Point& point) const {
  results::Statement problem = db_->prepare("SELECT problem FROM sweep_point WHERE point = ?");
  if (problem.bind(0, number).step()) point.problem = problem.text(0);
  if (!point.problem.empty()) return;
  results::Statement s = db_->prepare("SELECT value FROM metric WHERE run = ? AND name = ? AND scope = 'run'");
  for (const std::string& name : metrics) {
    const bool known = s.bind(0, number + 1).bind(1, std::string_view(name)).step() && !s.is_null(0);
    point.shown.push_back(known ? std::optional(s.real(0)) : std::nullopt);
    s.reset();
  }
}

void SweepOutput::add(int number, Point& point) {
  const std::lock_guard lock(mutex_);
  results::Transaction transaction(*db_);
  for (std::string_view table : kSweptTables) insert_rows(*db_, table, point.rows[std::string(table)]);
  const results::Results::Value run =
      point.problem.empty() ? results::Results::Value(number + 1) : results::Results::null();
  for (std::size_t axis = 0; axis < part_.axes.size(); ++axis)
    insert_rows(*db_, "sweep_point", {{number, run, part_.axes[axis], point.values[axis], point.problem}});
  transaction.commit();
  point.rows.clear();
  ++stored_;
  in_order_ = in_order_ && number > last_;
  last_ = number;
}

/// Rows as a sweep would have written them whose points were done one after the other.
void SweepOutput::put_in_order() {
  results::Transaction transaction(*db_);
  for (const std::string_view table : kSweptTables) results::sort_rows(*db_, table, "run");
  results::sort_rows(*db_, "sweep_point", "point");
  transaction.commit();
}

void SweepOutput::finish() {
  if (whole_) return;
  end_has_begun();
  const std::lock_guard lock(mutex_);
  check(stored_ == numbers_.size(), "{} of {} points were run", stored_, numbers_.size());
  if (!in_order_) put_in_order();
  db_->exec(
      fmt::format("BEGIN; UPDATE sweep SET state = 'complete'; PRAGMA application_id = {}; COMMIT", results::kWhole));
  db_->close();
  db_.reset();
}

std::string SweepOutput::said() const {
  return stored_ == 0
             ? "nothing was written"
             : fmt::format("{} holds {} of {} points; --resume goes on with it", file_, stored_, numbers_.size());
}

std::string SweepOutput::left() {
  end_has_begun();
  const std::lock_guard lock(mutex_);
  return said();
}

/// Ends the file as what it is; without a point it goes.  Does not throw.
std::string SweepOutput::abandon() {
  try {
    db_->exec(fmt::format("UPDATE sweep SET state = '{}'", interrupted() ? "interrupted" : "failed"));
    db_->close();
  } catch (const std::exception&) {  // of a full disk, say: the points stored before are there
  }
  db_.reset();
  if (stored_ > 0) return said();
  results::remove_output(file_);
  return "";
}
}  // namespace moesim::runs
