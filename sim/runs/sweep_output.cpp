#include "runs/sweep_output.h"

#include <fmt/format.h>

#include "core/check.h"
#include "results/output.h"
#include "results/schema.h"

namespace moesim::runs {

SweepOutput::SweepOutput(const std::string& file, SweepPart part, std::vector<int> numbers)
    : file_(file),
      part_(std::move(part)),
      numbers_(std::move(numbers)),
      db_(results::Database::create(file, results::schema_sql())) {
  insert_rows(*db_, "sweep", {{part_.text, part_.points, part_.shard, part_.shards, "running"}});
  unfinished_ = std::make_unique<Unfinished>([this] {
    mutex_.lock();  // for good: nothing may be written after this
    return db_ ? abandon() : fmt::format("{} is complete", file_);
  });
}

SweepOutput::~SweepOutput() {
  unfinished_.reset();
  if (db_) (void)abandon();
}

void SweepOutput::add(int number, Point& point) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace(number, &point);
  while (next_ < numbers_.size() && waiting_.contains(numbers_[next_])) {
    const auto first = waiting_.begin();
    store(first->first, *first->second);
    waiting_.erase(first);
    ++next_;
  }
}

void SweepOutput::store(int number, Point& point) {
  results::Transaction transaction(*db_);
  for (std::string_view table : kSweptTables) insert_rows(*db_, table, point.rows[std::string(table)]);
  const results::Results::Value run =
      point.problem.empty() ? results::Results::Value(number + 1) : results::Results::null();
  for (std::size_t axis = 0; axis < part_.axes.size(); ++axis)
    insert_rows(*db_, "sweep_point", {{number, run, part_.axes[axis], point.values[axis], point.problem}});
  transaction.commit();
  point.rows.clear();
  ++stored_;
}

void SweepOutput::store_all() {
  for (const auto& [number, point] : waiting_) store(number, *point);
  waiting_.clear();
}

void SweepOutput::finish() {
  end_has_begun();
  const std::lock_guard lock(mutex_);
  check(stored_ == numbers_.size(), "{} of {} points were run", stored_, numbers_.size());
  db_->exec(
      fmt::format("BEGIN; UPDATE sweep SET state = 'complete'; PRAGMA application_id = {}; COMMIT", results::kWhole));
  db_->close();
  db_.reset();
}

std::string SweepOutput::said() const {
  return stored_ == 0 ? "nothing was written"
                      : fmt::format("{} holds {} of {} points", file_, stored_, numbers_.size());
}

std::string SweepOutput::left() {
  end_has_begun();
  const std::lock_guard lock(mutex_);
  store_all();
  return said();
}

/// Ends the file as what it is; without a point it goes.  Does not throw.
std::string SweepOutput::abandon() {
  try {
    store_all();
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
