// A scenario file as every verb reads it, and one run of it.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/key_help.h"
#include "runs/expect.h"
#include "runs/published.h"
#include "runs/studies.h"

namespace moesim::runs {

struct Scenario {
  std::string file;
  Config config;
  const StudyEntry* study = nullptr;
  results::RunIdentity identity;
  std::vector<Expectation> expectations;
  std::vector<PublishedFigure> published;
  std::string not_compared;  // why `published` is left out of a scenario that has it, or ""
};

/// Top-level keys of a scenario, the studies' sections apart.
std::vector<KeyHelp> scenario_keys();

/// "key.path=value" of `option` ("--set").  Throws ConfigError.
Config::Override parse_override(const std::string& text, std::string_view option);

/// Reads a scenario by name or file.  seed: else the scenario's `seed`, else 1.
/// Throws ConfigError if it has not exactly one study, or a section nobody reads.
Scenario load_scenario(const std::string& name, const std::vector<Config::Override>& overrides,
                       std::optional<std::uint64_t> seed = {}, const std::string& beside = "");

/// Runs the study and closes the results, in state complete or interrupted.  keep_spans: as rows, too.
/// started: since when the wall time counts.
results::StudyEnd simulate(const Scenario& scenario, results::Results& results, results::SpanLog& spans,
                           bool keep_spans = false,
                           std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now());

/// `value` of a top-level key with its default, noted among the values in force.
template <class T>
T value_or(const Config& scenario, std::string_view key, T fallback) {
  if (scenario.has(key)) scenario.at(key).parse(fallback);
  scenario.resolve(key, to_text(fallback));
  return fallback;
}
}  // namespace moesim::runs
