#include "runs/validate.h"

#include <fmt/format.h>

#include "core/paths.h"
#include "runs/parallel.h"
#include "runs/scenario.h"

namespace moesim::runs {
namespace {
std::vector<std::string> with_published_figures() {
  std::vector<std::string> out;
  for (const std::string& name : catalogue_names("scenarios")) {
    const Config config = Config::load(catalogue_file("scenarios", name, "scenario"));
    if (config.is_map() && config.has("published")) out.push_back(name);
  }
  return out;
}

std::vector<ValidationRow> rows_of(const std::string& name) {
  const Scenario scenario = load_scenario(name, {});
  if (scenario.published.empty()) throw ConfigError(fmt::format("{}: has no published figures", scenario.file));
  results::Results results(":memory:", scenario.identity);
  results::SpanLog spans;
  simulate(scenario, results, spans);
  std::vector<ValidationRow> out;
  if (const auto missing = unmatched(scenario.published, results); !missing.empty())
    throw ConfigError(fmt::format("{}: {}", scenario.file, missing.front()));
  for (const PublishedFigure& f : scenario.published)
    out.push_back({name, f.metric, f.scope, results.metric_unit(f.metric, f.scope), f.source, f.value,
                   results.metric_value(f.metric, f.scope)});
  return out;
}
}  // namespace

std::vector<ValidationRow> validate(std::vector<std::string> scenarios, int jobs) {
  if (jobs < 1) throw ConfigError::placed(fmt::format("--jobs: expected at least 1, got {}", jobs));
  if (scenarios.empty()) scenarios = with_published_figures();
  std::vector<std::vector<ValidationRow>> parts(scenarios.size());
  if (!run_all("scenario", scenarios.size(), jobs, [&](std::size_t k) { parts[k] = rows_of(scenarios[k]); }))
    throw ConfigError("interrupted: not all scenarios were run");
  std::vector<ValidationRow> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}
}  // namespace moesim::runs
