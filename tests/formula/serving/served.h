// Services through the same entry as `moesim run`, small enough that their figures can be worked out in the head.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "serving/run_serving.h"

namespace moesim::serving {
struct Served {
  std::unique_ptr<results::Results> results;
  double at(std::string_view name, std::string_view scope = "run") const { return results->metric_value(name, scope); }
  bool has(std::string_view name, std::string_view scope = "run") const { return results->has_metric(name, scope); }
  std::string warning(std::string_view name) const {
    results::Statement s = results->database().prepare("SELECT text FROM warning WHERE name = ?");
    return s.bind(0, name).step() ? s.text(0) : "";
  }
};
inline Served run(const std::string& yaml) {
  const Config scenario = Config::from_text(yaml, std::string(SOURCE_DIR) + "/scenarios/figures.yaml");
  Served out{std::make_unique<results::Results>(":memory:", results::RunIdentity{})};
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, *out.results, spans};
  run_serving(study);
  return out;
}

/// Two requests a second of 100 tokens in and 11 out: a step for the prompt, ten that decode.  The window of 20 s to
/// 100 s has 160 of them.
inline std::string two_a_second(const std::string& pools, bool drain = true, const std::string& more = "") {
  return fmt::format(
      "cluster: {{node: {{extends: hgx-h100, gpu: {{extends: h100, price: 2.5 USD/h, power: 700 W}}}}, nodes: 1, "
      "fabric: "
      "ib-rail}}\nserving:\n  duration: 100 s\n  warmup: 20 s\n  drain: "
      "{}\n"
      "  workload: {{kind: constant, rate: 2, input: {{kind: fixed, mean: 100}}, output: {{kind: fixed, mean: "
      "11}}}}\n{}"
      "  pools: [{}]\n",
      drain, more, pools);
}
inline constexpr const char* kStep = "fixed: {step: 10 ms}, kv: {capacity: 6400}";

inline constexpr double kPrice = 2.5;  // USD, of a GPU and hour
}  // namespace moesim::serving
