// Pools whose steps do not fit beside weights and cache.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "reject/serving/served_text.h"

namespace moesim::serving {
namespace {
std::string pool(const std::string& kv) {
  return test::refusal_of_serving(
      "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}\nserving:\n  workload: "
      "{kind: poisson, rate: 1, limit: 1, input: {kind: fixed, mean: 100}}\n  pools:\n    - {parallel: {data: "
      "16}, kv: " +
      kv + "}\nrouting: balanced\n");
}

constexpr std::string_view kNeed =
    "a step of 8192 tokens takes 3.83 GB of each GPU (collectives 2.01 GB, communication buffers 0.58 GB, workspace "
    "0.54 GB), but weights and KV cache leave 0.00 GB of h800; make room for them or take a smaller batch";

TEST(MemoryReject, BuffersTooSmallForTheLargestStep) {
  EXPECT_EQ(pool("{memory_share: 0.99, buffers: 0 B}"),
            fmt::format("test.yaml:6:64: serving.pools[0].kv.buffers: {}", kNeed));
}
TEST(MemoryReject, ACapacityBeyondTheMemory) {
  EXPECT_EQ(pool("{capacity: 10000000}"), fmt::format("test.yaml:6:45: serving.pools[0].kv.capacity: {}", kNeed));
}
TEST(MemoryReject, TiersOfACacheWhoseTokensHaveNoBytes) {
  for (const std::string tier : {"host", "disk", "remote"}) {
    EXPECT_EQ(
        test::refusal_of_serving("serving:\n  workload: {kind: constant, rate: 1, limit: 1, input: {kind: fixed, mean: "
                                 "10}}\n  pools: [{fixed: {step: 1 ms}, kv: {capacity: 640, " +
                                 tier + ": 1 GB}}]\n"),
        fmt::format("test.yaml:3:{}: serving.pools[0].kv.{}: a fixed step knows no bytes of a token: use kv.capacity",
                    54 + tier.size() + 1, tier));
  }
}
TEST(MemoryReject, ButComputedBuffersFit) { EXPECT_EQ(pool("{memory_share: 0.99}"), "accepted"); }
}  // namespace
}  // namespace moesim::serving
