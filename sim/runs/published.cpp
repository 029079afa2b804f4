#include "runs/published.h"

#include <fmt/format.h>

#include "runs/expect.h"

namespace moesim::runs {

std::vector<PublishedFigure> read_published(const Config& scenario) {
  std::vector<PublishedFigure> out;
  if (!scenario.has("published")) return out;
  for (const Config& item : scenario.at("published").items()) {
    out.push_back(read<PublishedFigure>(item));
    check_figure(item, out.back().metric, out.back().scope);
    if (out.back().value == 0) item.at("value").fail("expected a figure other than 0: the error is relative to it");
  }
  return out;
}

void store_published(const std::vector<PublishedFigure>& figures, results::Results& results) {
  for (const PublishedFigure& f : figures)
    results.add(results::Table::published, {f.metric, f.scope, f.value, f.source});
}

std::vector<std::string> unmatched(const std::vector<PublishedFigure>& figures, const results::Results& results) {
  std::vector<std::string> out;
  for (const PublishedFigure& f : figures)
    if (!results.has_metric(f.metric, f.scope))
      out.push_back(fmt::format("published {}: the run has no such metric of scope {}", f.metric, f.scope));
  return out;
}
}  // namespace moesim::runs
