// Serving scenarios, small, through the same entry as `moesim run`.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "results/results.h"
#include "results/study.h"
#include "serving/run_serving.h"
#include "support/places.h"
#include "support/refusal.h"

namespace moesim::serving {
struct Ran {
  std::unique_ptr<results::Results> results;
  results::StudyEnd end;
  double operator[](std::string_view name) const { return results->metric_value(name); }
  double at(std::string_view name, std::string_view scope) const { return results->metric_value(name, scope); }
  /// Of the time series, at the sample of that second.
  double at_second(std::string_view name, std::string_view scope, double second) const {
    results::Statement s =
        results->database().prepare("SELECT value FROM series WHERE name = ? AND scope = ? AND time = ?");
    EXPECT_TRUE(s.bind(0, name).bind(1, scope).bind(2, second).step()) << name << " at " << second << " s";
    return s.real(0);
  }
};
inline Ran run(const std::string& yaml, std::uint64_t seed = 1) {
  const Config scenario = Config::from_text(yaml, test::source_dir() + "/scenarios/test.yaml");
  Ran out;
  out.results = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, seed, *out.results, spans};
  out.end = scenario.at("serving").placed([&] { return run_serving(study); });
  return out;
}
inline std::string message(const std::string& yaml) {
  return test::refusal_of([&] { run(yaml); });
}

// A V3 decode unit on one node: small enough for a test, with everything in it.
inline std::string unit(const std::string& pool, const std::string& more = "", const std::string& load = "rate: 20") {
  return "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 4, fabric: ib-rail}\n"
         "routing: {kind: log_normal, sigma: 0.7}\n"
         "serving:\n  duration: 20 s\n  workload: {kind: poisson, " +
         load + ", input: {kind: fixed, mean: 500}, output: {kind: fixed, mean: 50}}\n" + more + "  pools:\n" + pool;
}
inline constexpr const char* kDecode = "    - {role: decode, parallel: {data: 16}, graphs: true}\n";
inline constexpr const char* kBusy = "rate: 100";  // every GPU has a request at any time
}  // namespace moesim::serving
