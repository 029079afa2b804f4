#include "pages/report.h"

#include <fmt/format.h>

#include <array>

#include "core/config.h"
#include "pages/studies/studies.h"
#include "results/results.h"

namespace moesim::pages {
namespace {
struct Study {
  std::string_view name;
  Page (*page)(const Facts&, const results::Database&);
};
constexpr std::array kStudies = {Study{"training", training_page}};
}  // namespace

std::string report_page(const std::string& database) {
  const results::Database db = results::Database::open(database);
  results::check_results(db);
  const Facts facts = read_facts(db);
  for (const Study& s : kStudies)
    if (s.name == facts.study) return page_html(s.page(facts, db), facts);
  throw ConfigError(fmt::format("{}: is of a study \"{}\", of which there is no page", database, facts.study));
}
}  // namespace moesim::pages
