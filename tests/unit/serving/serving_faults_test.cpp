// GPUs, adapters and links that fail while requests are served.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/serving/small_runs.h"

namespace moesim::serving {
namespace {
TEST(Serving, FaultsSlowDownAndRecover) {
  const Ran healthy = run(unit(kDecode, "", kBusy));
  const Ran slow = run(unit(kDecode, "  faults: [{kind: slow_gpu, at: 5 s, gpu: 3, share: 0.3}]\n", kBusy));
  EXPECT_GT(slow["tpot_mean"], healthy["tpot_mean"]);
  const Ran lost =
      run(unit(kDecode, "  faults: [{kind: gpu, at: 5 s, gpu: 3, answer: replace, detect: 1 s}]\n", kBusy));
  EXPECT_EQ(lost["requests_arrived"], lost["requests_finished"]);
  EXPECT_GT(lost["requests_retried"], 0);
  EXPECT_GE(lost.at("recovery_time", "fault:0,gpu,replace"), 1);
  const Ran masked = run(unit(kDecode, "  faults: [{kind: gpu, at: 5 s, gpu: 3, answer: mask, detect: 1 s}]\n", kBusy));
  EXPECT_GT(masked.at("masked_share", "fault:0,gpu,mask"), 0);
  const Ran covered =
      run(unit("    - {role: decode, parallel: {data: 16}, placement: {strategy: round_robin, slots: 128}}\n",
               "  faults: [{kind: gpu, at: 5 s, gpu: 3, detect: 1 s}]\n"));
  EXPECT_EQ(covered.at("recovery_time", "fault:0,gpu,redundancy"), 1);  // detection only
}

TEST(Serving, ALostAdapterSharesItsNeighboursOrTheGpuIsLost) {
  const std::string fault = "  faults: [{kind: nic, at: 5 s, gpu: 3, detect: 1 s}]\n";
  const Ran healthy = run(unit(kDecode, "", kBusy)), rerouted = run(unit(kDecode, fault, kBusy));
  EXPECT_EQ(rerouted.at("recovery_time", "fault:0,nic,reroute"), 1);
  EXPECT_EQ(rerouted["requests_retried"], 0);
  EXPECT_GT(rerouted["tpot_mean"], healthy["tpot_mean"]);
  std::string yaml = unit(kDecode, fault, kBusy);  // nodes of one GPU: no neighbour
  yaml.replace(yaml.find("{node: hgx-h800, nodes: 4"), 25,
               "{node: {gpu: h800, gpus: 1, nics: 1, nic: 50 GB/s}, nodes: 16");
  const Ran lost = run(yaml);
  EXPECT_GT(lost["requests_retried"], 0);
  EXPECT_EQ(lost["requests_arrived"], lost["requests_finished"]);
}

/// Two instances of four GPUs on each node of eight.
TEST(Serving, ALostNodeTakesEveryInstanceOnIt) {
  const auto with = [](int instances, const char* kind) {
    return run(
        unit(fmt::format("    - {{role: both, instances: {}, parallel: {{data: 4}}, start_up: 5 s}}\n", instances),
             fmt::format("  faults: [{{kind: {}, at: 5 s, answer: restart, detect: 1 s}}]\n", kind), "rate: 40"));
  };
  const Ran gpu = with(2, "gpu"), node = with(2, "node");
  EXPECT_EQ(node.at("recovery_time", "fault:0,node,restart"), 6);
  EXPECT_GT(node["requests_retried"], 1.5 * gpu["requests_retried"]) << "both lose theirs, not one";
  EXPECT_LT(gpu["ttft_p99"], 2) << "the other one serves";
  EXPECT_GT(node["ttft_p99"], 5) << "nobody does";
  EXPECT_LT(with(3, "node")["ttft_p99"], 2) << "the third is on another node";
  EXPECT_EQ(node["requests_arrived"], node["requests_finished"]);
}

/// An instance does not lie across two nodes: the pool of eight begins on the second.
TEST(Serving, ALostNodeTakesNoneOfTheNext) {
  const Ran lost =
      run(unit("    - {role: prefill, parallel: {data: 4}}\n    - {role: decode, parallel: {data: 8}, start_up: 5 s}\n",
               "  faults: [{kind: node, at: 5 s, pool: decode, answer: restart, detect: 1 s}]\n", "rate: 40"));
  EXPECT_LT(lost["ttft_p99"], 2) << "prompts are computed on the first node";
  EXPECT_EQ(lost["requests_arrived"], lost["requests_finished"]);
}

TEST(Serving, RefusesFaultsOfWhatIsNotThere) {
  const auto with = [](const std::string& fault) {
    const std::string text = message(unit(kDecode, "  faults: [{at: 1 s, " + fault + "}]\n"));
    const std::size_t place = text.find("test.yaml:");
    return place == std::string::npos ? text : text.substr(place);
  };
  EXPECT_EQ(with("gpu: 999"), "test.yaml:7:27: serving.faults[0].gpu: there is no GPU 999 in an instance of 16");
  EXPECT_EQ(with("gpu: 16"), "test.yaml:7:27: serving.faults[0].gpu: there is no GPU 16 in an instance of 16");
  EXPECT_EQ(with("gpu: 15"), "accepted");
  EXPECT_EQ(with("gpu: -1"), "test.yaml:7:27: serving.faults[0].gpu: there is no GPU -1 in an instance of 16");
  EXPECT_EQ(with("instance: 1"), "test.yaml:7:32: serving.faults[0].instance: there is no instance 1 in pool \"\"");
  EXPECT_EQ(with("pool: none"), "test.yaml:7:28: serving.faults[0].pool: there is no instance 0 in pool \"none\"");
  EXPECT_EQ(with("kind: slow_link, share: 0"),
            "test.yaml:7:46: serving.faults[0].share: must be above 0 and at most 1, got 0");
  EXPECT_EQ(with("kind: slow_link, share: 2"),
            "test.yaml:7:46: serving.faults[0].share: must be above 0 and at most 1, got 2");
}
}  // namespace
}  // namespace moesim::serving
