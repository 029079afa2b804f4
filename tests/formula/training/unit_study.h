// Training studies through the same entry as `moesim run`, on GPUs where nothing takes time but 10^12 FLOPs a second:
// kernels by their data sheet, memory and links as good as infinitely fast.
#pragma once
#include <fmt/format.h>

#include <memory>
#include <string>

#include "results/results.h"
#include "results/span.h"
#include "results/study.h"
#include "training/study.h"

namespace moesim::training {

struct UnitStudy {
  std::string model = "{extends: llama-2-7b, layers: 1}";
  std::string more{};  // further sections
  int gpus = 1;        // of one node
  std::string nvlink = "1000000000 GB/s";
  std::string memory = "1000000000 TB/s";
  std::string operator_time = "0 s";  // of the host
};
inline std::unique_ptr<results::Results> study(const std::string& training, const UnitStudy& on = {}) {
  const Config scenario = Config::from_text(
      fmt::format(
          "model: {}\ncluster:\n  nodes: 1\n  node: {{gpus: {}, nics: 1, nic: 400 Gbps, gpu: {{generation: hopper, "
          "sms: "
          "2, memory: 1000 GiB, memory_bandwidth: {}, bf16: 1 TFLOP/s, fp8: 2 TFLOP/s, nvlink: {}, power: "
          "500 W, price: 2 USD/h}}}}\n  fabric: {{kind: rail_leaf_spine, same_leaf_latency: 0 s, cross_leaf_latency: 0 "
          "s, "
          "nvlink_latency: 0 s}}\nkernels: roofline\nnetwork: {{kind: bottleneck, calibration: none}}\n{}training: "
          "{{precision: {{linear: bf16}}, operator_time: {}, communication_sms: 1, {}}}\n",
          on.model, on.gpus, on.memory, on.nvlink, on.more, on.operator_time, training),
      "unit.yaml");
  auto out = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun run{scenario, 1, *out, spans};
  run_training(run);
  return out;
}

// A layer of Llama-2-7B: 4096 -> 3 x 4096, 4096 -> 4096, 4096 -> 2 x 11,008, 11,008 -> 4096; the head's 32,000 columns.
inline constexpr double kLayer = 4.0 * 4096 * 4096 + 3.0 * 4096 * 11008, kHead = 4096.0 * 32000;
/// FLOPs of one forward pass of a sequence: of a layer's products, of the head's, and of attention, where each query
/// meets itself and what is before it: two products of 128 numbers a pair in each of 32 heads.
inline constexpr double kSequence = 512;
inline constexpr double kLayerFlops = 2 * kLayer * kSequence, kHeadFlops = 2 * kHead * kSequence,
                        kPairs = kSequence * (kSequence + 1) / 2, kPairFlops = 32 * 4 * 128,
                        kAttention = kPairs * kPairFlops;
}  // namespace moesim::training
