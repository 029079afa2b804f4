#include "runs/sweeping/first_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "results/metrics.h"
#include "runs/affordable.h"
#include "runs/studies.h"

namespace moesim::runs {
namespace {
/// Throws ConfigError for a metric that runs of this study do not have, by the table of metrics.
void check_shown(const Sweep& sweep, std::string_view study) {
  if (!sweep.config.has("show")) return;
  const std::vector<std::string> known = results::run_metrics(study);
  const std::vector<std::string_view> names(known.begin(), known.end());
  for (std::size_t i = 0; i < sweep.section.show.size(); ++i) {
    const std::string& name = sweep.section.show[i];
    const results::MetricDefinition& metric = *results::find_metric(name);  // there: read_sweep() has looked
    if (results::is_written_by(metric, study)) continue;
    const auto longer = std::ranges::find_if(names, [&](std::string_view n) { return n.starts_with(name + "_"); });
    sweep.config.at("show").items()[i].fail(fmt::format(
        "{} is a figure of {}; these runs are of {}{}", name, results::studies_of(metric), study,
        longer != names.end() ? fmt::format("; did you mean \"{}\"?", *longer) : suggestion(name, names, "they have")));
  }
}

/// Whether a part of the path is called so: "pools" of serving.pools[0].instances.
bool has_part(std::string_view path, std::string_view name) {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('.'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part.substr(0, part.find('[')) == name) return true;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return false;
}

/// What a sweep sets that its scenario does not have.
struct Fault {
  Config where;  // in the sweep's file
  std::string problem;
};

/// The axis or the value set whose key `said` calls unknown; nothing if it is of something else.
std::optional<Fault> fault_of(const Sweep& sweep, const std::string& said) {
  constexpr std::string_view kUnknown = "unknown key \"";
  const std::size_t at = said.find(kUnknown);
  if (at == std::string::npos) return {};
  const std::size_t from = at + kUnknown.size();
  const std::string name = said.substr(from, said.find('"', from) - from);
  for (std::size_t a = 0; a < sweep.section.vary.size(); ++a)
    if (has_part(sweep.section.vary[a].key, name))
      return Fault{sweep.config.at("vary").items()[a].at("key"), said.substr(at)};
  for (std::size_t i = 0; i < sweep.section.set.size(); ++i)
    if (const std::string& set = sweep.section.set[i]; has_part(set.substr(0, set.find('=')), name))
      return Fault{sweep.config.at("set").items()[i], said.substr(at)};
  return {};
}

/// What is wrong with a point before it runs, and where; "": nothing that can be told.
std::string problem_of(const Sweep& sweep, const Point& point) {
  try {
    const Scenario scenario = scenario_of(sweep, point);
    if (scenario.study->check != nullptr)
      scenario.config.at(scenario.study->section).placed([&] { scenario.study->check(scenario.config); });
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

/// Throws ConfigError where all points fall by the very same: that is the scenario's, not theirs.  said: of those that
/// were looked at.
void refuse_common_fault(const Sweep& sweep, const std::vector<Point>& points, const std::set<std::string>& said) {
  if (said.size() != 1 || points.size() < 2) return;
  const std::string& fault = *said.begin();
  if (std::ranges::all_of(points, [&](const Point& p) { return problem_of(sweep, p) == fault; }))
    throw ConfigError::placed(fmt::format("{} (the same for all {} points)", fault, points.size()));
}

/// Throws ConfigError for what every point that is looked at sets and does not have; and for what is shown.
/// build: by the study's check, else by its estimate.
void refuse_faults(const Sweep& sweep, const std::vector<Point>& points, bool build) {
  std::optional<Fault> fault;
  std::set<std::string> said;
  for (const std::size_t number : points_to_look_at(sweep, points.size())) {
    std::string study;
    try {
      const Scenario scenario = scenario_of(sweep, points[number]);
      study = scenario.study->section;
      if (!build)
        (void)estimate_of(scenario, false);
      else if (scenario.study->check != nullptr)
        scenario.config.at(study).placed([&] { scenario.study->check(scenario.config); });
    } catch (const ConfigError& e) {
      said.insert(e.what());
      const std::optional<Fault> found = fault_of(sweep, e.what());
      if (found) fault = found;
      // What is wrong with one point is told when it is run.
      if (build || found || study.empty()) continue;
    }
    return build ? void() : check_shown(sweep, study);
  }
  if (fault) fault->where.fail("sets a value that the scenario does not have: " + fault->problem);
  if (build) refuse_common_fault(sweep, points, said);
}
}  // namespace

void look_at_points(const Sweep& sweep, const std::vector<Point>& points) { refuse_faults(sweep, points, false); }
void try_points(const Sweep& sweep, const std::vector<Point>& points) { refuse_faults(sweep, points, true); }
}  // namespace moesim::runs
