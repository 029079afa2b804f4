#include "runs/sweeping/first_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "results/metrics.h"
#include "runs/affordable.h"

namespace moesim::runs {
namespace {
bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

/// Sections of metrics that one study alone writes, but for those that others write as well.
/// metric: of that name; `name` says which of its variants.
bool is_of_another_study(std::string_view name, const results::MetricDefinition* metric, std::string_view study) {
  static constexpr std::array<std::string_view, 5> kShared{"gpus", "nodes", "cost_per_hour", "fold", "step_time"};
  static constexpr std::array<std::string_view, 5> kNotServing{"step_time", "peak_memory", "nodes_per_token",
                                                               "expert_load_gini", "expert_load_max_over_mean"};
  if (study == "serving" && is_one_of(name, kNotServing)) return true;
  if (study == "training" && (name.starts_with("prefill_") || name.starts_with("decode_"))) return true;
  if (is_one_of(name, kShared) || name.ends_with("_step_time") || name.ends_with("_layer_time")) return false;
  const auto in = [&](std::span<const results::MetricDefinition> section) {
    return metric >= section.data() && metric < section.data() + section.size();
  };
  if (in(results::training_metrics()) || in(results::training_run_metrics())) return study != "training";
  if (in(results::serving_metrics()) || in(results::pool_metrics())) return study != "serving";
  if (in(results::placement_metrics())) return study == "training" || study == "serving";
  return false;
}

void check_shown(const Sweep& sweep, std::string_view study) {
  if (!sweep.config.has("show")) return;
  for (std::size_t i = 0; i < sweep.section.show.size(); ++i)
    if (const std::string& name = sweep.section.show[i]; is_of_another_study(name, results::find_metric(name), study))
      sweep.config.at("show").items()[i].fail(
          fmt::format("{} is a figure of other studies: these runs are of `{}` (moesim list metrics)", name, study));
}

/// The axis whose key `problem` says is unknown; nothing if it is of something else.
std::optional<std::size_t> axis_at_fault(const Sweep& sweep, const std::string& problem) {
  for (std::size_t a = 0; a < sweep.section.vary.size(); ++a) {
    const std::string& key = sweep.section.vary[a].key;
    const std::size_t dot = key.rfind('.');
    const std::string last = dot == std::string::npos ? key : key.substr(dot + 1);
    if (problem.find(fmt::format("unknown key \"{}\"", last)) != std::string::npos) return a;
  }
  return {};
}
}  // namespace

void look_at_points(const Sweep& sweep, const std::vector<Point>& points) {
  std::optional<std::size_t> at_fault;
  std::string problem;
  for (const std::size_t number : points_to_look_at(sweep, points.size())) {
    std::string study;
    try {
      const Scenario scenario = scenario_of(sweep, points[number]);
      study = scenario.study->section;
      (void)estimate_of(scenario, false);
    } catch (const ConfigError& e) {
      const std::string said = e.what();
      const std::optional<std::size_t> axis = axis_at_fault(sweep, said);
      if (axis) at_fault = axis, problem = said.substr(said.find("unknown key \""));
      // What is wrong with one point, or with the scenario, is told when it is run.
      if (axis || study.empty()) continue;
    }
    return check_shown(sweep, study);
  }
  if (at_fault)
    sweep.config.at("vary").items()[*at_fault].at("key").fail(
        fmt::format("sets a value that the scenario does not have: {}", problem));
}
}  // namespace moesim::runs
