#include "pages/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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
}  // namespace

std::string report_page(const std::string& database) {
  const results::Database db = results::Database::open(database);
  if (db.has_table("trace_experts")) {
    Facts facts;
    const Page page = trace_page(database, facts);
    return page_html(page, facts);
  }
  results::check_results(db);
  check_tables(db);
  if (db.value("SELECT count(*) FROM sweep").value_or("0") != "0") {
    if (!db.value("SELECT 1 FROM run LIMIT 1"))
      throw ConfigError(
          fmt::format("{}: {}", database,
                      db.value("SELECT 1 FROM sweep_point LIMIT 1")
                          ? "none of its points could run; table sweep_point says why"
                          : "was interrupted before any of its points was done; moesim sweep --resume goes on"));
    const Facts sweep = sweep_facts(db);
    return page_html(sweep_page(sweep, db), sweep);
  }
  const Facts facts = read_facts(db);
  const auto rows_in = [&](const char* table) {
    return db.has_table(table) && db.value(fmt::format("SELECT 1 FROM {} LIMIT 1", table)).has_value();
  };
  const bool mappings = rows_in("mapping"), candidates = rows_in("candidate");
  if (facts.study == "size" && !mappings && !candidates && facts.state != "complete" &&
      (rows_in("trial") || rows_in("step_trial")))
    return page_html(unfinished_page(facts, db), facts);
  if (facts.metrics.empty() && !mappings && !candidates && !rows_in("validation"))
    throw ConfigError(fmt::format("{}: {}", database,
                                  facts.study == "size" && facts.state == "complete"
                                      ? "its plan has no deployment that can be tried; table candidate_pool says why"
                                      : "holds no figures: its run ended before there were any"));
  if (facts.study == "size" && mappings) return page_html(mapping_page(facts, db), facts);
  for (const Study& s : kStudies)
    if (s.name == facts.study) return page_html(s.page(facts, db), facts);
  throw ConfigError(fmt::format("{}: is of a study \"{}\", of which there is no page", database, facts.study));
}
}  // namespace moesim::pages
