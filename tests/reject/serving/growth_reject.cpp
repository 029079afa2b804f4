// Groups that cannot grow, or not beside something else.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "reject/serving/served_text.h"

namespace moesim::serving::growth {
namespace {
std::string refused(const std::string& keys, const std::string& grow, const std::string& more = "") {
  return test::refusal_of_serving(
      "model: deepseek-v2-lite\ncluster: {node: hgx-h200, nodes: 2, fabric: ib-rail}\nrouting: balanced\nserving:\n" +
      more + "  duration: 10 s\n  workload: {kind: poisson, rate: 1, input: {kind: fixed, mean: 100}}\n  pools:\n" +
      fmt::format("    - {{{}grow: [{}]}}\n", keys, grow));
}

TEST(GrowthReject, SizesAndTimesOutOfOrder) {
  EXPECT_EQ(refused("parallel: {data: 4}, ", "{at: 1 s, data: 4}"),
            "test.yaml:8:52: serving.pools[0].grow[0].data: a group grows from 4 ranks to more, got 4");
  EXPECT_EQ(refused("parallel: {data: 4}, ", "{at: 5 s, data: 8}, {at: 4 s, data: 16}"),
            "test.yaml:8:61: serving.pools[0].grow[1].at: comes after 5 s, got 4 s");
}
TEST(GrowthReject, WhatHasNoCosts) {
  EXPECT_EQ(refused("fixed: {step: 1 ms}, ", "{at: 1 s, data: 4}"),
            "test.yaml:8:35: serving.pools[0].grow: a fixed step knows no weights that new ranks wait for");
  EXPECT_EQ(refused("parallel: {pipeline: 2}, ", "{at: 1 s, data: 4}"),
            "test.yaml:8:39: serving.pools[0].grow: has no costs for the 2 stages of a pipeline, which would all grow");
  EXPECT_EQ(refused("parallel: {tensor: 2, experts_tensor: true}, ", "{at: 1 s, data: 4}"),
            "test.yaml:8:59: serving.pools[0].grow: needs whole experts on each GPU (experts_tensor: false)");
  EXPECT_EQ(refused("autoscale: {curve: [1, 0.5]}, ", "{at: 1 s, data: 4}"),
            "test.yaml:8:44: serving.pools[0].grow: has no costs beside instances that come and go (autoscale)");
}
TEST(GrowthReject, FaultsAndNewPlacements) {
  EXPECT_EQ(refused("", "{at: 1 s, data: 4}", "  faults: [{kind: gpu, at: 1 s}]\n"),
            "test.yaml:5:11: serving.faults: have no answer where a pool's group grows (pools.grow)");
  EXPECT_EQ(refused("", "{at: 1 s, data: 4}", "  rebalance: {interval: 5 s}\n"),
            "test.yaml:5:25: serving.rebalance.interval: has no plans where a pool's group grows (pools.grow)");
}
TEST(GrowthReject, GroupsThatDoNotFillTheirNodes) {
  EXPECT_EQ(refused("parallel: {data: 4}, ", "{at: 1 s, data: 12}"),
            "test.yaml:8:18: serving.pools[0].parallel: the 12 GPUs that exchange rows do not fill nodes of 8");
}
TEST(GrowthReject, MoreGpusThanTheClusterHas) {
  EXPECT_EQ(refused("", "{at: 1 s, data: 32}"),
            "test.yaml:8:5: serving.pools: the pools take 32 GPUs, but the cluster has 16");
}
}  // namespace
}  // namespace moesim::serving::growth
