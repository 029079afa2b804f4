#include "study/run.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/log.h"
#include "record/perfetto.h"
#include "record/summary.h"
#include "study/expect.h"
#include "study/recorded_routing.h"
#include "study/studies.h"

namespace moesim {
namespace {
// Sections that any study may read; each study refuses those it does not know inside its own section.
const std::vector<std::string_view> kCommonKeys = {"title",   "about",   "model", "cluster", "routing", "placement",
                                                   "network", "kernels", "seed",  "fold",    "spans",   "expect"};

const StudyEntry& study_of(const Config& scenario) {
  std::vector<std::string_view> known = kCommonKeys;
  for (const StudyEntry& s : studies()) known.push_back(s.section);
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

template <class T>
T value_or(const Config& scenario, std::string_view key, T fallback) {
  if (scenario.has(key)) scenario.at(key).parse(fallback);
  scenario.resolve(key, to_text(fallback));
  return fallback;
}

void print_json(Results& results, const RunIdentity& identity, const StudyEnd& end,
                const std::vector<std::string>& failed) {
  nlohmann::ordered_json out;
  out["title"] = identity.title;
  out["study"] = identity.study;
  out["seed"] = identity.seed;
  out["state"] = end.interrupted ? "interrupted" : "complete";
  out["fingerprint"] = fmt::format("{:016x}", end.fingerprint);
  out["events"] = end.events;
  Statement s = results.database().prepare("SELECT scope, name, value, unit FROM metric ORDER BY rowid");
  while (s.step()) {
    nlohmann::ordered_json value = {{"value", s.real(2)}, {"unit", s.text(3)}};
    if (s.text(0) == "run")
      out["metrics"][s.text(1)] = std::move(value);
    else
      out["scopes"][s.text(0)][s.text(1)] = std::move(value);
  }
  out["failed_expectations"] = failed;
  fmt::print("{}\n", out.dump(2));
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
}  // namespace

int run(const RunOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  const std::string file = catalogue_file("scenarios", options.scenario, "scenario");
  Config scenario = Config::load(file, options.overrides);
  const StudyEntry& study = study_of(scenario);
  const std::vector<Expectation> expectations = read_expectations(scenario);

  RunIdentity identity{value_or<std::string>(scenario, "title", std::filesystem::path(file).stem().string()),
                       std::string(study.section),
                       options.scenario,
                       read_file(file),
                       "",
                       1};
  identity.seed = options.seed ? *options.seed : value_or<std::uint64_t>(scenario, "seed", 1);
  scenario.resolve("seed", fmt::to_string(identity.seed));

  const std::string output = output_file(options, file);
  if (!options.timeline.empty()) check_new_file(options.timeline);
  std::string settings, trace;
  if (records_routing(scenario)) {
    check_new_file(output);
    if (study.check != nullptr) study.check(scenario);
    trace = trace_file(output);
    if (!record_for(scenario, trace))
      throw ConfigError(fmt::format("interrupted while recording; {} holds what was recorded", trace));
    settings = scenario.resolved();
    std::vector<Config::Override> overrides = options.overrides;
    overrides.push_back(replay_of(scenario, trace));
    scenario = Config::load(file, overrides);
  }
  Results results(output, identity);
  SpanFilter filter = options.spans;
  const bool store = value_or(scenario, "spans", false);
  filter.enabled = store || !options.timeline.empty();
  SpanLog spans(filter);
  StudyRun study_run{scenario, identity.seed, results, spans};
  const StudyEnd end = study.run(study_run);

  if (store) store_spans(spans, results);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
  results.finish(
      {end.interrupted ? "interrupted" : "complete", end.fingerprint, end.events, end.simulated_time, wall.count()},
      scenario.resolved());
  if (!options.timeline.empty()) write_file(options.timeline, perfetto_json(spans));

  const std::vector<std::string> failed =
      end.interrupted ? std::vector<std::string>{} : failures(expectations, results);
  if (options.json) {
    print_json(results, identity, end, failed);
  } else {
    fmt::print("{}\n\n{}", identity.title, summarise(results.database(), identity.study));
    fmt::print("\nfingerprint {:016x}, {} events, seed {}\n", end.fingerprint, end.events, identity.seed);
    if (!trace.empty()) fmt::print("recorded routing in {} (see moesim trace stats)\n", trace);
    if (!options.timeline.empty())
      fmt::print("timeline in {} (open it at https://ui.perfetto.dev)\n", options.timeline);
    fmt::print("results in {}\n", output);
  }
  for (const std::string& f : failed) say(fmt::format("{}: {}", file, f));
  if (end.interrupted) say(fmt::format("interrupted: {} holds what was done until then", output));
  return failed.empty() && !end.interrupted ? 0 : 1;
}
}  // namespace moesim
