// Results databases of other programs: every table has rows, every figure its value, and then some are changed.  Page,
// summaries and comparison are made of it, or refused.
#include <unistd.h>

#include "core/config.h"
#include "fuzz/support/input.h"
#include "fuzz/support/spoiled_database.h"
#include "pages/report.h"
#include "results/diff.h"
#include "results/metrics.h"
#include "results/results.h"
#include "results/summary.h"
#include "sizing/trial_book.h"

namespace moesim::fuzz {
namespace {
using results::Results;

/// Scopes by what the metric table calls them.
std::vector<std::string> scopes_of(std::string_view words) {
  std::vector<std::string> out;
  for (const char* scope : {"run", "pool:decode", "phase:decode", "stage:0", "stage:1", "layer:3", "gpu:0"}) {
    const std::string_view word = std::string_view(scope).substr(0, std::string_view(scope).find(':'));
    if ((" " + std::string(words) + " ").find(" " + std::string(word) + " ") != std::string::npos) out.push_back(scope);
  }
  return out;
}

std::string made(const std::string& study) {
  const std::string file = folder() + "/" + study + ".db";
  Results out(file, {"A title", study, "a.yaml", "model: x\n", "", 7});
  for (const results::MetricSection& section : results::metric_sections())
    for (const results::MetricDefinition& metric : section.metrics)
      for (const std::string& name : results::full_names(metric))
        for (const std::string& scope : scopes_of(metric.scopes)) out.metric(name, 0.5, metric.unit, scope);
  for (const results::TableDefinition& table : results::tables()) {
    if (table.table == results::Table::run || table.table == results::Table::metric) continue;
    if (table.name.starts_with("sweep") && study != "sweep") continue;
    for (int row = 0; row < 3; ++row) {
      std::vector<Results::Value> values;
      for (const results::Column& column : table.columns.subspan(table.columns[0].name == "run" ? 1 : 0))
        values.push_back(column.type == "INTEGER" ? Results::Value(row)
                         : column.type == "REAL"  ? Results::Value(row + 0.5)
                                                  : Results::Value(row == 0 ? "pool:decode" : "forward"));
      taken([&] { out.add(table.table, values); });
    }
  }
  out.finish({"complete", 1, 2, Time{1'000'000}, 0.1}, "cluster.node.gpu.title: X\nserving.duration: 8 s\n");
  return file;
}

void read_all(const std::string& good, std::string_view input) {
  const std::string file = spoiled(good, "x.db", input);
  taken([&] { hold(pages::report_page(file).size() > 100, "an empty page"); });
  taken([&] {
    const auto a = results::Database::open(file), b = results::Database::open(good);
    (void)results::difference_text(results::difference(a, b), "a", "b");
  });
  taken([&] {
    const auto db = results::Database::open(file);
    results::check_results(db, false);
    for (const char* name : {"training", "serving", "place", "passes", "published", "kernels", "links"})
      taken([&] { (void)results::summarise(db, name); });
  });
  taken([&] {
    sizing::TrialBook book;
    const auto search = sizing::search_in(file);
    if (search) sizing::read_trials(file, *search, book);
  });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim::fuzz;
  static const std::vector<std::string> bases = {made("training"), made("serving"), made("place"),   made("passes"),
                                                 made("size"),     made("sweep"),   made("validate")};
  if (size == 0) return 0;
  read_all(bases[data[0] % bases.size()], text_of(data + 1, size - 1));
  return 0;
}
