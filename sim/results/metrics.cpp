#include "results/metrics.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>

#include "core/check.h"

namespace moesim::results {
namespace {
constexpr UnitDefinition kUnits[] = {
    {"", false},       {"s", true},         {"B", true},           {"B/s", true},         {"FLOP", true},
    {"FLOP/s", true},  {"J", true},         {"W", true},           {"Wh", true},          {"TFLOP/s", false},
    {"tokens", false}, {"tokens/s", false}, {"tokens/day", false}, {"requests/s", false}, {"h", false},
    {"days", false},   {"USD", false},
};

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string listed(std::string_view text) { return fmt::format("{}", fmt::join(words(text), ", ")); }

using Index = std::map<std::string, const MetricDefinition*, std::less<>>;
const Index& by_name() {
  static const Index index = [] {
    Index out;
    for (const MetricSection& section : metric_sections())
      for (const MetricDefinition& m : section.metrics)
        for (std::string& name : full_names(m)) check(out.emplace(name, &m).second, "metric {} is defined twice", name);
    return out;
  }();
  return index;
}

}  // namespace

std::span<const UnitDefinition> units() { return kUnits; }
const UnitDefinition* find_unit(std::string_view name) {
  const auto* it = std::ranges::find(kUnits, name, &UnitDefinition::name);
  return it == std::end(kUnits) ? nullptr : it;
}

std::span<const MetricSection> metric_sections() {
  static const MetricSection sections[] = {
      {"Steps and passes", "passes training", step_metrics()},
      {"Routing", "place passes training", routing_metrics()},
      {"Where kernel times come from, and what links carry", "place passes training", kernel_metrics()},
      {"Placements", "place", placement_metrics()},
      {"Training steps", "training", training_metrics()},
      {"Whole training runs", "training", training_run_metrics()},
      {"Serving", "serving", serving_metrics()},
      {"Pools of a serving deployment", "serving", pool_metrics()},
      {"Rebalancing", "training", rebalancing_metrics()},
  };
  return sections;
}

const MetricDefinition* find_metric(std::string_view name) {
  const auto it = by_name().find(name);
  return it == by_name().end() ? nullptr : it->second;
}

std::string_view studies_of(const MetricDefinition& metric) {
  if (!is_written_for(metric, "run", false)) return "";
  if (!metric.studies.empty()) return metric.studies;
  for (const MetricSection& section : metric_sections())
    for (const MetricDefinition& m : section.metrics)
      if (&m == &metric) return section.studies;
  return "";
}
bool is_written_by(const MetricDefinition& metric, std::string_view study) {
  const std::vector<std::string_view> studies = words(studies_of(metric));
  return std::ranges::find(studies, study) != studies.end();
}
void check_written_by(std::string_view name, std::string_view study) {
  const MetricDefinition* metric = find_metric(name);
  check(metric != nullptr, "metric {} is not in the table of definitions", name);
  check(is_written_by(*metric, study), "metric {} is defined for whole runs of {}, and was written by {}", name,
        studies_of(*metric), study);
}

bool is_written_for(const MetricDefinition& metric, std::string_view scope, bool series) {
  const std::string_view kind = scope.substr(0, scope.find(':'));
  return std::ranges::any_of(words(metric.scopes), [&](std::string_view s) {
    const std::size_t slash = std::min(s.find('/'), s.size());
    return s.substr(0, slash) == kind && s.ends_with("/time") == series;
  });
}

std::vector<std::string> run_metrics(std::string_view study) {
  std::vector<std::string> out;
  for (const MetricSection& section : metric_sections())
    for (const MetricDefinition& metric : section.metrics)
      if (is_written_for(metric, "run", false) && (study.empty() || is_written_by(metric, study)))
        for (std::string& name : full_names(metric)) out.push_back(std::move(name));
  return out;
}

std::vector<std::string> full_names(const MetricDefinition& metric) {
  const std::size_t star = metric.name.find('*');
  if (star == std::string_view::npos) return {std::string(metric.name)};
  std::vector<std::string> out;
  for (std::string_view variant : words(metric.variants))
    out.push_back(fmt::format("{}{}{}", metric.name.substr(0, star), variant, metric.name.substr(star + 1)));
  return out;
}

void check_metric(std::string_view name, std::string_view unit, std::string_view scope, bool series) {
  const MetricDefinition* metric = find_metric(name);
  check(metric != nullptr, "metric {} in \"{}\" is not in the table of definitions", name, unit);
  check(metric->unit == unit, "metric {} is defined in \"{}\", and was written in \"{}\"", name, metric->unit, unit);
  check(is_written_for(*metric, scope, series), "metric {} in \"{}\" is defined for {}, and was written {} {}", name,
        unit, metric->scopes, series ? "over time for" : "for", scope);
}

std::string metrics_markdown() {
  std::string out =
      "# Metrics\n\nEvery figure in the tables `metric` and `series` of a results database ([schema.md](schema.md)), "
      "with its unit and the way it is better.\nScope: `run`, or what stands before the `:` in the column `scope`; "
      "`pool/layer` is `pool:decode,layer:3`, `pool/time` a series.\nStudies: whose runs have it under "
      "`run`.\nGenerated by `moesim list metrics`; do not "
      "edit.\n";
  for (const MetricSection& section : metric_sections()) {
    out += fmt::format("\n## {}\n\n| metric | unit | better | scope | studies | meaning |\n|---|---|---|---|---|---|\n",
                       section.title);
    for (const MetricDefinition& m : section.metrics) {
      std::string name(m.name);
      if (const std::size_t star = name.find('*'); star != std::string::npos) {
        std::string variants(m.variants);
        std::ranges::replace(variants, ' ', ',');
        name.replace(star, 1, "{" + variants + "}");
      }
      out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", name, m.unit, name_of(m.better), listed(m.scopes),
                         listed(studies_of(m)), m.meaning);
    }
  }
  return out;
}
}  // namespace moesim::results
