#include "pages/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/config.h"
#include "pages/studies/studies.h"
#include "results/results.h"
#include "results/schema.h"

namespace moesim::pages {
namespace {
struct Study {
  std::string_view name;
  Page (*page)(const Facts&, const results::Database&);
};
constexpr std::array kStudies = {Study{"training", training_page}, Study{"serving", serving_page},
                                 Study{"place", place_page},       Study{"passes", passes_page},
                                 Study{"size", size_page},         Study{"validate", validate_page}};

/// What every run of this schema has; others came later, and pages do without them.
void check_tables(const results::Database& db) {
  using results::Table;
  constexpr Table kLater[] = {Table::option, Table::latency,  Table::instruction, Table::gpu_load,  Table::gpu_traffic,
                              Table::drift,  Table::incident, Table::validation,  Table::step_trial};
  for (const results::TableDefinition& t : results::tables())
    if (std::ranges::find(kLater, t.table) == std::end(kLater) && !db.has_table(t.name))
      throw ConfigError(fmt::format("{}: has no table {} (moesim list schema)", db.file(), t.name));
}
/// What the sweep sets and varies stands for what its points were given on the command line.
void take_sweep(const results::Database& db, Facts& out) {
  out.sweep_file.clear();
  for (const auto& [name, value] : out.options)
    if (name == "sweep") out.sweep_file = value;
  out.options.clear();
  out.options_kept = true;
  results::Statement keys = db.prepare("SELECT key FROM sweep_point GROUP BY key ORDER BY min(rowid)");
  while (keys.step())
    if (keys.text(0) != "seed") out.varied.push_back(keys.text(0));
  std::vector<std::string> set;
  try {
    const Config sweep = Config::from_text(db.value("SELECT sweep FROM sweep ORDER BY shard").value_or(""), "sweep");
    if (sweep.is_map() && sweep.has("set")) sweep.at("set").parse(set);
  } catch (const ConfigError&) {
    return;  // of another version: what it set is in its text alone
  }
  for (const std::string& value : set) out.options.emplace_back("--set", value);
}
/// What the points share; what is of one alone is left out.
Facts sweep_facts(const results::Database& db) {
  Facts out = read_shared(db);
  out.study = "sweep";
  for (std::string* field : {&out.fingerprint, &out.seed, &out.events, &out.wall_time}) field->clear();
  take_sweep(db, out);
  results::Statement seeds = db.prepare("SELECT DISTINCT seed FROM run ORDER BY seed");
  for (int n = 0; seeds.step(); ++n)
    if (n < 20)
      out.seed += (n == 0 ? "" : ", ") + seeds.text(0);
    else if (n == 20)
      out.seed += ", ...";
  return out;
}
bool has_figures(const results::Database& db) {
  return db.has_table("metric") && db.value("SELECT 1 FROM metric LIMIT 1");
}

/// Why no point of a sweep can be shown.
std::string no_points(const results::Database& db) {
  const auto number = [&](const char* sql) { return std::atoll(db.value(sql).value_or("0").c_str()); };
  const long long tried = number("SELECT count(DISTINCT point) FROM sweep_point"),
                  all = number("SELECT max(points) FROM sweep");
  if (tried == 0) return "was interrupted before any of its points was done; moesim sweep --resume goes on";
  if (tried >= all) return "none of its points could run; table sweep_point says why";
  return fmt::format(
      "none of the {} of its {} points that were tried could run, table sweep_point says why; moesim sweep --resume "
      "tries the others",
      tried, all);
}
/// Queries that give no row here explain nothing.
std::string page_with_sql(Page page, const Facts& facts, const results::Database& db) {
  for (Section& s : page.sections)
    std::erase_if(s.sql, [&](const std::string& sql) { return !db.prepare(sql).step(); });
  return page_html(page, facts);
}
}  // namespace

std::string report_page(const std::string& database) {
  const results::Database db = results::Database::open(database);
  if (db.has_table("trace_experts")) {
    Facts facts;
    const Page page = trace_page(database, facts);
    return page_html(page, facts);
  }
  results::check_results(db, has_figures(db));  // a run without any is refused below, in one line
  check_tables(db);
  if (db.value("SELECT count(*) FROM sweep").value_or("0") != "0") {
    if (!db.value("SELECT 1 FROM run LIMIT 1")) throw ConfigError(fmt::format("{}: {}", database, no_points(db)));
    const Facts sweep = sweep_facts(db);
    return page_with_sql(sweep_page(sweep, db), sweep, db);
  }
  const Facts facts = read_facts(db);
  const auto rows_in = [&](const char* table) {
    return db.has_table(table) && db.value(fmt::format("SELECT 1 FROM {} LIMIT 1", table)).has_value();
  };
  const bool mappings = rows_in("mapping"), candidates = rows_in("candidate");
  if (facts.study == "size" && !mappings && !candidates && facts.state != "complete" &&
      (rows_in("trial") || rows_in("step_trial")))
    return page_with_sql(unfinished_page(facts, db), facts, db);
  if (facts.metrics.empty() && !mappings && !candidates && !rows_in("validation"))
    throw ConfigError(fmt::format("{}: {}", database,
                                  facts.study == "size" && facts.state == "complete"
                                      ? "its plan has no deployment that can be tried; table candidate_pool says why"
                                      : "holds no figures: its run ended before there were any"));
  if (facts.study == "size" && mappings) return page_with_sql(mapping_page(facts, db), facts, db);
  for (const Study& s : kStudies)
    if (s.name == facts.study) return page_with_sql(s.page(facts, db), facts, db);
  throw ConfigError(fmt::format("{}: is of a study \"{}\", of which there is no page", database, facts.study));
}
}  // namespace moesim::pages
