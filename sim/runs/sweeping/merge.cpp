#include "runs/sweeping/merge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <map>
#include <set>

#include "core/interrupt.h"
#include "core/new_file.h"
#include "core/words.h"
#include "results/output.h"
#include "results/program.h"
#include "results/schema.h"
#include "runs/affordable.h"
#include "runs/sweeping/sweep_rows.h"

namespace moesim::runs {
namespace {
constexpr auto kMost = std::int64_t(kMostPoints);

/// Everything the shards hold, sorted as it is to be written.
struct Shards {
  std::map<std::int64_t, std::pair<std::string, std::vector<Row>>> points;  // shard and sweep_point rows
  std::map<std::string, std::map<std::int64_t, std::vector<Row>>> rows;     // table, run
  std::vector<Row> sweeps;
  std::string text, file;                             // of the sweep; its name, as the first shard has it
  std::set<std::pair<std::string, std::string>> ran;  // text of the scenario and version of the program
  std::int64_t total = 0;
};

/// SQLite holds a column to its type no more than to a wish.
std::int64_t number(const Row& row, std::size_t column, const std::string& shard, std::string_view table,
                    std::int64_t most) {
  const auto* out = std::get_if<std::int64_t>(&row[column]);
  if (out == nullptr || *out < 0 || *out > most)
    throw ConfigError::placed(fmt::format("{}: table {}: column {} is no number of a point", shard, table, column + 1));
  return *out;
}

void add_points(const results::Database& db, const std::string& shard, Shards& all) {
  for (const Row& row : rows_of(db, "sweep_point", 0)) {
    const std::int64_t point = number(row, 0, shard, "sweep_point", kMost);
    auto& [from, list] = all.points[point];
    if (!from.empty() && from != shard)
      throw ConfigError::placed(fmt::format("{} and {} both hold point {}", from, shard, point));
    from = shard;
    list.push_back(row);
  }
}

void add_shard(const std::string& shard, Shards& all) {
  const results::Database db = results::Database::open(shard);
  results::check_results(db);
  if (!db.has_table("sweep") || !db.value("SELECT sweep FROM sweep"))
    throw ConfigError::placed(fmt::format("{}: holds no sweep", shard));
  const std::string text = *db.value("SELECT sweep FROM sweep");
  if (!all.text.empty() && text != all.text)
    throw ConfigError::placed(fmt::format("{}: is of another sweep than those before it", shard));
  all.text = text;
  if (all.file.empty() && db.has_table("option"))
    all.file = db.value("SELECT value FROM option WHERE name = 'sweep'").value_or("");
  results::Statement runs = db.prepare("SELECT DISTINCT scenario, version FROM run");
  while (runs.step()) all.ran.emplace(runs.text(0), results::figures_by(runs.text(1)));
  if (all.ran.size() > 1)
    throw ConfigError::placed(fmt::format(
        "{}: was run with another text of the scenario, or by another version, than those before it", shard));
  for (const Row& row : rows_of(db, "sweep", 0)) {
    all.total = number(row, 1, shard, "sweep", kMost);
    all.sweeps.push_back(row);
  }
  add_points(db, shard, all);
  for (std::string_view table : kSweptTables)
    for (const Row& row : rows_of(db, table, 0))
      all.rows[std::string(table)][number(row, 0, shard, table, kMost)].push_back(row);
}

void check_whole(const Shards& all) {
  std::vector<std::int64_t> missing;
  for (std::int64_t i = 0; i < all.total; ++i)
    if (!all.points.contains(i)) missing.push_back(i);
  if (missing.empty()) return;
  constexpr std::size_t kNamed = 10;
  const bool more = missing.size() > kNamed;
  if (more) missing.resize(kNamed);
  throw ConfigError::placed(
      fmt::format("{} of {} are missing: {}{}; name all shards, or merge what there is with --partial",
                  counted(all.total - std::int64_t(all.points.size()), "point"), all.total, fmt::join(missing, ", "),
                  more ? ", ..." : ""));
}

void check_different(const std::vector<std::string>& shards) {
  std::set<std::string> seen;
  for (const std::string& shard : shards) {
    std::error_code error;
    const std::string real = std::filesystem::canonical(shard, error).string();
    if (!error && !seen.insert(real).second) throw ConfigError::placed(fmt::format("{}: is given twice", shard));
  }
}
}  // namespace

void merge_sweeps(const MergeOptions& options) {
  results::make_way(options.output);
  check_different(options.shards);
  Shards all;
  for (const std::string& shard : options.shards) add_shard(shard, all);
  if (!options.partial) check_whole(all);
  stop_if_interrupted();
  NewFile target(options.output);
  results::Database db = results::Database::open_existing(target.path());
  db.exec(results::schema_sql());
  results::Transaction transaction(db);
  for (std::string_view table : kSweptTables)
    for (const auto& [run, list] : all.rows[std::string(table)]) insert_rows(db, table, list);
  if (std::int64_t(all.points.size()) == all.total)  // what one process would have written
    insert_rows(db, "sweep", {{all.text, all.total, 1, 1, "complete"}});
  else
    insert_rows(db, "sweep", all.sweeps);
  if (!all.file.empty()) insert_rows(db, "option", {{1, "sweep", all.file}});
  for (const auto& [number, point] : all.points) insert_rows(db, "sweep_point", point.second);
  db.exec(fmt::format("PRAGMA application_id = {}", results::kWhole));
  transaction.commit();
  db.close();
  const Descriptor replaced = results::before_replacing(options.output);
  target.keep();
}
}  // namespace moesim::runs
