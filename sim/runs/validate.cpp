#include "runs/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

/// The largest over the run and its pools.
std::optional<double> worst_of(results::Results& results, std::string_view name) {
  results::Statement s =
      results.database().prepare("SELECT max(value) FROM metric WHERE name = ?1 AND scope NOT LIKE '%,%'");
  s.bind(0, name);
  return s.step() && !s.is_null(0) ? std::optional(s.real(0)) : std::nullopt;
}

std::vector<ValidationRow> rows_of(const std::string& name) {
  const Scenario scenario = load_scenario(name, {});
  if (scenario.published.empty()) throw ConfigError(fmt::format("{}: has no published figures", scenario.file));
  results::Results results({results::Table::run, results::Table::metric});
  results::SpanLog spans;
  const results::StudyEnd end = simulate(scenario, results, spans);
  std::vector<ValidationRow> out;
  if (const auto missing = unmatched(scenario.published, results); !missing.empty())
    throw ConfigError(fmt::format("{}: {}", scenario.file, missing.front()));
  const auto median = worst_of(results, "kernel_error_median"), p90 = worst_of(results, "kernel_error_p90"),
             borrowed = worst_of(results, "kernel_time_borrowed_share");
  for (const PublishedFigure& f : scenario.published)
    out.push_back({name, f.metric, f.scope, results.metric_unit(f.metric, f.scope), f.source, f.value,
                   results.metric_value(f.metric, f.scope), scenario.identity.title, median, p90, borrowed,
                   end.fingerprint});
  return out;
}

std::string name_of_source(const std::string& source) {
  return source.substr(0, std::min(source.find(", "), source.find(": ")));
}

ValidationSpread spread(std::string source, std::vector<double> errors) {
  std::ranges::sort(errors);
  const std::size_t n = errors.size();
  return {std::move(source), n, (errors[(n - 1) / 2] + errors[n / 2]) / 2, errors.back()};
}
}  // namespace

std::vector<ValidationSpread> spread_of(const std::vector<ValidationRow>& rows) {
  std::vector<std::pair<std::string, std::vector<double>>> by_source;
  std::vector<double> all;
  for (const ValidationRow& r : rows) {
    const std::string name = name_of_source(r.source);
    auto at = std::ranges::find(by_source, name, [](const auto& s) { return s.first; });
    if (at == by_source.end()) at = by_source.insert(at, {name, {}});
    at->second.push_back(std::abs(r.error()));
    all.push_back(std::abs(r.error()));
  }
  std::vector<ValidationSpread> out;
  if (!all.empty()) out.push_back(spread("all", std::move(all)));
  for (auto& [name, errors] : by_source) out.push_back(spread(name, std::move(errors)));
  return out;
}

std::vector<ValidationRow> validate(std::vector<std::string> scenarios, int jobs) {
  if (jobs < 1) throw ConfigError::placed(fmt::format("--jobs: expected at least 1, got {}", jobs));
  if (scenarios.empty()) scenarios = with_published_figures();
  std::vector<std::vector<ValidationRow>> parts(scenarios.size());
  if (!run_all("scenarios", scenarios.size(), jobs, [&](std::size_t k) { parts[k] = rows_of(scenarios[k]); }))
    throw ConfigError("interrupted: not all scenarios were run");
  std::vector<ValidationRow> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

void store(const std::vector<ValidationRow>& rows, results::Results& results, const std::string& command_line) {
  using Value = results::Results::Value;
  const auto known = [](const std::optional<double>& v) { return v ? Value(*v) : results::Results::null(); };
  results::Results::Ending end;
  std::string last;
  for (const ValidationRow& r : rows) {
    results.add(results::Table::validation, {r.scenario, r.title, r.metric, r.scope, r.unit, r.published, r.simulated,
                                             r.source, known(r.kernel_median), known(r.kernel_p90), known(r.borrowed)});
    if (r.scenario == last) continue;
    last = r.scenario;
    ++end.events;
    end.fingerprint = (end.fingerprint ^ r.fingerprint) * 0x9E3779B97F4A7C15;
  }
  results.finish(end, command_line);
}
}  // namespace moesim::runs
