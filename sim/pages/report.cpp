#include "pages/report.h"

#include <fmt/format.h>

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
                                 Study{"place", place_page}, Study{"passes", passes_page}, Study{"size", size_page}};

/// What every run of this schema has; others came later, and pages do without them.
void check_tables(const results::Database& db) {
  using results::Table;
  for (const results::TableDefinition& t : results::tables())
    if (t.table != Table::latency && t.table != Table::instruction && t.table != Table::gpu_load &&
        !db.has_table(t.name))
      throw ConfigError(fmt::format("{}: has no table {} (moesim list schema)", db.file(), t.name));
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
    const Facts first = read_identity(db);
    return page_html(sweep_page(first, db), first);
  }
  const Facts facts = read_facts(db);
  if (facts.study == "size" && db.value("SELECT count(*) FROM candidate").value_or("0") == "0" &&
      db.value("SELECT state FROM run") == "complete") {
    const bool mappings = db.has_table("mapping") && db.value("SELECT count(*) FROM mapping").value_or("0") != "0";
    throw ConfigError(fmt::format(
        "{}: {}", database,
        mappings
            ? "is of a training plan, of which there is no page; its table mapping holds every mapping and why it fell"
            : "its plan has no deployment that can be tried; table candidate_pool says why"));
  }
  if (facts.metrics.empty() && db.value("SELECT count(*) FROM candidate").value_or("0") == "0")
    throw ConfigError(fmt::format("{}: holds no figures: its run ended before there were any", database));
  for (const Study& s : kStudies)
    if (s.name == facts.study) return page_html(s.page(facts, db), facts);
  throw ConfigError(fmt::format("{}: is of a study \"{}\", of which there is no page", database, facts.study));
}
}  // namespace moesim::pages
