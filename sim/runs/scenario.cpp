#include "runs/scenario.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "core/files.h"
#include "core/paths.h"
#include "results/metrics.h"
#include "results/perfetto.h"
#include "runs/other_verb.h"

namespace moesim::runs {
namespace {
/// What any study may read; each study refuses what it does not know inside its own section.
struct CommonKeys {
  std::string title, about, fold;
  Config model, cluster, routing, placement, network, kernels;
  std::uint64_t seed = 1;
  bool spans = false;
  std::vector<Expectation> expect;
  std::vector<PublishedFigure> published;
  static void fields(auto& f, auto& p) {
    f("title", p.title, "what the scenario is, in a line; default: its file's name");
    f("about", p.about, "what it shows, for who reads the file");
    f.required("model", p.model, "a name (moesim list models), a config.json, or a model written out");
    f.required("cluster", p.cluster, "a name (moesim list hardware), or {node: ..., nodes: N, fabric: ...}");
    f("routing", p.routing, "which experts tokens choose: a kind (moesim list traffic) or a trace; default balanced");
    f("placement", p.placement, "which experts sit where: a kind (moesim list placement) or a map; default contiguous");
    f("network", p.network, "how links are shared (moesim list network); default bottleneck");
    f("kernels", p.kernels, "how long kernels take (moesim list kernels); default calibrated");
    f("seed", p.seed, "of all random streams");
    f("fold", p.fold,
      "how much of what is alike is simulated: data (in training replicas fold to one, the default there) or none; in "
      "serving also how many instances one stands for");
    f("spans", p.spans, "keeps what ran where and when as rows of the results");
    f("expect", p.expect, "bounds on figures, which the run is held to");
    f("published", p.published, "what others measured on the real system, shown beside the simulated");
  }
};

const StudyEntry& study_of(const Config& scenario) {
  const std::vector<KeyHelp> common = scenario_keys();
  std::vector<std::string_view> known = names_of(common);
  for (const StudyEntry& s : studies()) known.push_back(s.section);
  refuse_other_verb(scenario, "run");
  scenario.only(known);
  const StudyEntry* found = nullptr;
  for (const StudyEntry& s : studies()) {
    if (!scenario.has(s.section)) continue;
    if (found != nullptr)
      scenario.at(s.section).fail(
          fmt::format("a scenario describes one study, but this one also has \"{}\"", found->section));
    found = &s;
  }
  if (found != nullptr) return *found;
  std::string all;
  for (const StudyEntry& s : studies()) all += fmt::format("{}{} ({})", all.empty() ? "" : ", ", s.section, s.summary);
  scenario.fail(fmt::format("expected one section that says what to run: {}", all));
}

/// Which study writes what is promised by the table of metrics, to sweeps before they run.
void check_metrics(results::Results& results, const std::string& study) {
  results::Statement run = results.database().prepare("SELECT name FROM metric WHERE scope = 'run'");
  while (run.step()) results::check_written_by(run.text(0), study);
}
/// What was published is of the scenario as it is written.
void leave_out_published(Scenario& scenario, const std::vector<Config::Override>& overrides) {
  if (scenario.published.empty()) return;
  const std::vector<std::string> keys = keys_of_setup(Config::load(scenario.file), scenario.identity.study, overrides);
  if (keys.empty()) return;
  scenario.published.clear();
  scenario.not_compared = fmt::format("not compared: it is of the scenario as written, and {} {} another value here",
                                      fmt::join(keys, ", "), keys.size() == 1 ? "has" : "have");
}
}  // namespace

Config::Override parse_override(const std::string& text, std::string_view option) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw ConfigError::placed(fmt::format("{} {}: expected key.path=value", option, text));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::vector<KeyHelp> scenario_keys() { return keys_of<CommonKeys>(); }

Scenario load_scenario(const std::string& name, const std::vector<Config::Override>& overrides,
                       std::optional<std::uint64_t> seed, const std::string& beside) {
  const std::string file = catalogue_file("scenarios", name, "scenario", {beside});
  Scenario out{file, Config::load(file, overrides), nullptr, {}, {}, {}, {}};
  out.study = &study_of(out.config);
  out.expectations = read_expectations(out.config);
  out.published = read_published(out.config);
  out.identity = {value_or<std::string>(out.config, "title", std::filesystem::path(file).stem().string()),
                  std::string(out.study->section),
                  name,
                  read_file(file),
                  "",
                  seed ? *seed : value_or<std::uint64_t>(out.config, "seed", 1)};
  out.config.resolve("seed", fmt::to_string(out.identity.seed));
  for (const Config::Override& o : overrides) out.identity.options.push_back({"--set", o.path + "=" + o.value});
  if (seed) out.identity.options.push_back({"--seed", fmt::to_string(*seed)});
  leave_out_published(out, overrides);
  return out;
}

results::StudyEnd simulate(const Scenario& scenario, results::Results& results, results::SpanLog& spans,
                           bool keep_spans, std::chrono::steady_clock::time_point started) {
  results::StudyRun run{scenario.config, scenario.identity.seed, results, spans};
  const results::StudyEnd end =
      scenario.config.at(scenario.study->section).placed([&] { return scenario.study->run(run); });
  if (!end.interrupted) store_published(scenario.published, results);
  if (!scenario.not_compared.empty()) results.add(results::Table::warning, {"run", "published", scenario.not_compared});
  check_metrics(results, scenario.identity.study);
  if (keep_spans) results::store_spans(spans, results);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
  results.finish(
      {end.interrupted ? "interrupted" : "complete", end.fingerprint, end.events, end.simulated_time, wall.count()},
      scenario.config.resolved());
  return end;
}
}  // namespace moesim::runs
