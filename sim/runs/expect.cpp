#include "runs/expect.h"

#include <fmt/format.h>

#include <cmath>

#include "results/metrics.h"

namespace moesim::runs {

void check_figure(const Config& item, const std::string& metric, const std::string& scope) {
  const results::MetricDefinition* found = results::find_metric(metric);
  if (found == nullptr)
    item.at("metric").fail(fmt::format("no metric is called \"{}\"; moesim list metrics shows all", metric));
  if (!results::is_written_for(*found, scope, false))
    item.at_or_empty("scope").fail(fmt::format("{} is a figure of {}, never of \"{}\"", metric, found->scopes, scope));
}

std::vector<Expectation> read_expectations(const Config& scenario) {
  std::vector<Expectation> out;
  if (!scenario.has("expect")) return out;
  for (const Config& item : scenario.at("expect").items()) {
    out.push_back(read<Expectation>(item));
    const Expectation& e = out.back();
    check_figure(item, e.metric, e.scope);
    if (!e.min && !e.max && !e.equals) item.fail("expected at least one of min, max, equals");
    if (e.min && e.max && *e.min > *e.max) item.fail(fmt::format("min {} lies above max {}", *e.min, *e.max));
  }
  return out;
}

void check_expected_of(std::string_view study, const Config& scenario) {
  if (!scenario.has("expect")) return;
  for (const Config& item : scenario.at("expect").items()) {
    const auto expected = read<Expectation>(item);
    const results::MetricDefinition& metric = *results::find_metric(expected.metric);
    if (expected.scope == "run" && !results::is_written_by(metric, study))
      item.at("metric").fail(fmt::format("{} is a figure of {}, and the answer is one of {}", expected.metric,
                                         results::studies_of(metric), study));
  }
}

std::vector<std::string> failures(const std::vector<Expectation>& expectations, const results::Results& results) {
  std::vector<std::string> out;
  for (const Expectation& e : expectations) {
    const std::string name = e.scope == "run" ? e.metric : fmt::format("{} of {}", e.metric, e.scope);
    if (!results.has_metric(e.metric, e.scope)) {
      out.push_back(fmt::format("expected {}, but the run has no such metric", name));
      continue;
    }
    const double v = results.metric_value(e.metric, e.scope);
    if (e.min && v < *e.min) out.push_back(fmt::format("expected {} of at least {}, got {}", name, *e.min, v));
    if (e.max && v > *e.max) out.push_back(fmt::format("expected {} of at most {}, got {}", name, *e.max, v));
    if (e.equals && std::fabs(v - *e.equals) > 1e-12 * std::fabs(*e.equals))
      out.push_back(fmt::format("expected {} to be {}, got {}", name, *e.equals, v));
  }
  return out;
}
}  // namespace moesim::runs
