#include "runs/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "formats/json.h"
#include "recording/recorded_routing.h"
#include "results/output.h"
#include "results/perfetto.h"
#include "results/summary.h"
#include "runs/scenario.h"

namespace moesim::runs {
namespace {
void print_json(results::Results& results, const results::RunIdentity& identity, const results::StudyEnd& end,
                const std::vector<std::string>& failed) {
  formats::Json out;
  out["title"] = identity.title;
  out["study"] = identity.study;
  out["seed"] = identity.seed;
  out["state"] = end.interrupted ? "interrupted" : "complete";
  out["fingerprint"] = fmt::format("{:016x}", end.fingerprint);
  out["events"] = end.events;
  results::Statement s = results.database().prepare("SELECT scope, name, value, unit FROM metric ORDER BY rowid");
  while (s.step()) {
    formats::Json value = {{"value", s.real(2)}, {"unit", s.text(3)}};
    if (s.text(0) == "run")
      out["metrics"][s.text(1)] = std::move(value);
    else
      out["scopes"][s.text(0)][s.text(1)] = std::move(value);
  }
  results::Statement series =
      results.database().prepare("SELECT scope, name, unit, time, value FROM series ORDER BY rowid");
  while (series.step()) {
    auto& one = out["series"][series.text(0)][series.text(1)];
    one["unit"] = series.text(2);
    one["time"].push_back(series.real(3));
    one["value"].push_back(series.real(4));
  }
  results::Statement assumed = results.database().prepare("SELECT scope, name, value, reason FROM assumption");
  while (assumed.step())
    out["assumptions"].push_back({{"scope", assumed.text(0)},
                                  {"name", assumed.text(1)},
                                  {"value", assumed.text(2)},
                                  {"reason", assumed.text(3)}});
  out["failed_expectations"] = failed;
  fmt::print("{}\n", out.dump(2));
}

/// "precision  fp8 (as released)", a line each; with its part of the run where parts differ.
std::string assumptions(results::Results& results) {
  struct Line {
    std::string name, text, scopes;
  };
  std::vector<Line> lines;
  results::Statement s =
      results.database().prepare("SELECT scope, name, value || ' (' || reason || ')' FROM assumption");
  while (s.step()) {
    const std::string scope = s.text(0), part = scope.substr(scope.find(':') + 1);
    const auto same =
        std::ranges::find_if(lines, [&](const Line& l) { return l.name == s.text(1) && l.text == s.text(2); });
    if (same != lines.end())
      same->scopes += ", " + part;
    else
      lines.push_back({s.text(1), s.text(2), part});
  }
  std::string out;
  for (const Line& l : lines) {
    const bool differs = std::ranges::count(lines, l.name, &Line::name) > 1;
    out += fmt::format("{}{}  {}\n", l.name, differs ? " of " + l.scopes : "", l.text);
  }
  return out;
}

/// The recorded trace stays beside the results: NAME.trace.db.
std::string trace_file(const std::string& output) {
  const std::filesystem::path path(output);
  return (path.parent_path() / (path.stem().string() + ".trace.db")).string();
}

std::string output_file(const RunOptions& options, const std::string& scenario_file) {
  if (!options.output.empty()) return options.output;
  return std::filesystem::path(scenario_file).stem().string() + ".db";
}

/// The file that a name leads to, also where nothing is there yet.
std::filesystem::path real_path(const std::string& file) {
  return std::filesystem::weakly_canonical(std::filesystem::absolute(file));
}

/// Before any work: all of them can be made, and no two are one.
void check_outputs(const RunOptions& options, const std::string& output, bool records) {
  results::make_way(output);
  std::vector<std::pair<std::string, std::string>> all = {{"the results", output}};
  if (records) all.emplace_back("the recorded routing", trace_file(output));
  if (!options.timeline.empty()) all.emplace_back("the timeline", options.timeline);
  for (std::size_t i = 1; i < all.size(); ++i) {
    for (std::size_t before = 0; before < i; ++before)
      if (real_path(all[i].second) == real_path(all[before].second))
        throw ConfigError::placed(
            fmt::format("{}: {} and {} cannot be one file", all[i].second, all[before].first, all[i].first));
    check_new_file(all[i].second);
  }
}
}  // namespace

int run(const RunOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  Scenario scenario = load_scenario(options.scenario, options.overrides, options.seed);
  const std::string output = output_file(options, scenario.file);
  check_outputs(options, output, recording::asks_for_recording(scenario.config));
  std::string trace;
  if (recording::asks_for_recording(scenario.config)) {
    if (scenario.study->check != nullptr)
      scenario.config.at(scenario.study->section).placed([&] { scenario.study->check(scenario.config); });
    trace = trace_file(output);
    if (!scenario.config.at("routing").at("record").placed(
            [&] { return recording::record_for(scenario.config, trace); }))
      throw Interrupted(fmt::format("{} holds what was recorded", trace));
    std::vector<Config::Override> overrides = options.overrides;
    overrides.push_back(recording::replay_of(scenario.config, trace));
    scenario = load_scenario(options.scenario, overrides, options.seed);
  }
  results::Results results(output, scenario.identity);
  results::SpanFilter filter = options.spans;
  const bool store = value_or(scenario.config, "spans", false);
  filter.enabled = store || !options.timeline.empty();
  results::SpanLog spans(filter);
  const results::StudyEnd end = simulate(scenario, results, spans, store, started);
  if (!options.timeline.empty()) write_file(options.timeline, results::perfetto_json(spans));

  std::vector<std::string> failed;
  if (!end.interrupted) {
    failed = failures(scenario.expectations, results);
    for (std::string& line : unmatched(scenario.published, results)) failed.push_back(std::move(line));
  }
  if (options.json) {
    print_json(results, scenario.identity, end, failed);
  } else {
    fmt::print("{}\n{}", scenario.identity.title, assumptions(results));
    for (const std::string& report : std::vector<std::string>{scenario.identity.study, "links", "kernels", "published"})
      if (const std::string tables = results::summarise(results.database(), report); !tables.empty())
        fmt::print("\n{}", tables);
    fmt::print("\nfingerprint {:016x}, {} events, seed {}\n", end.fingerprint, end.events, scenario.identity.seed);
    if (!trace.empty()) fmt::print("recorded routing in {} (see moesim trace stats)\n", trace);
    if (!options.timeline.empty())
      fmt::print("timeline in {} (open it at https://ui.perfetto.dev)\n", options.timeline);
    fmt::print("results in {}\n", output);
  }
  for (const std::string& f : failed) say(fmt::format("{}: {}", scenario.file, f));
  if (end.interrupted) say(fmt::format("interrupted: {} holds what was done until then", output));
  return failed.empty() && !end.interrupted ? 0 : 1;
}
}  // namespace moesim::runs
