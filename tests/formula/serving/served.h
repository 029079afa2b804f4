// Services through the same entry as `moesim run`, small enough that their figures can be worked out in the head.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "serving/run_serving.h"
#include "support/places.h"

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
  const Config scenario = Config::from_text(yaml, test::source_dir() + "/scenarios/figures.yaml");
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

/// A node of GPUs with the further keys of `gpu`; data-sheet kernels, links at line rate without latency.
inline std::string on_unit_gpus(const std::string& model, const std::string& gpu, int gpus, const std::string& more) {
  return fmt::format(
      "model: {}\ncluster:\n  nodes: 1\n  node: {{gpus: {}, nics: 1, nic: 400 Gbps, host_bandwidth: 10 GB/s, gpu: "
      "{{generation: hopper, sms: 132, memory: 80 GiB, power: 500 W, price: 2 USD/h, {}}}}}\n  fabric: {{kind: "
      "rail_leaf_spine, same_leaf_latency: 0 s, cross_leaf_latency: 0 s, nvlink_latency: 0 s}}\nkernels: "
      "roofline\nnetwork: {{kind: bottleneck, calibration: none}}\n{}",
      model, gpus, gpu, more);
}
/// Neither computing nor memory nor NVLink takes time worth mentioning.
inline constexpr const char* kBoundless =
    "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1000000000 GB/s";
}  // namespace moesim::serving
