// Prompts cannot be cut where nothing would be shared, or where it has no costs.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "reject/serving/served_text.h"

namespace moesim::serving::context {
namespace {
std::string pool(const std::string& model, const std::string& keys, const std::string& parallel) {
  return test::refusal_of_serving(
      "model: " + model +
      "\ncluster: {node: hgx-h200, nodes: 2, fabric: ib-rail}\nrouting: balanced\nserving:\n  workload: {kind: "
      "poisson, rate: 1, limit: 1, input: {kind: fixed, mean: 100}}\n  pools:\n    - " +
      fmt::format("{{{}parallel: {{{}}}}}\n", keys, parallel));
}
/// Of the key itself, without where it stands.
std::string refused(const std::string& model, const std::string& keys, const std::string& parallel) {
  const std::string all = pool(model, keys, parallel), key = "serving.pools[0].parallel.context: ";
  const std::size_t at = all.find(key);
  return at == std::string::npos ? all : all.substr(at + key.size());
}

TEST(ContextReject, SaysWhereItStands) {
  EXPECT_EQ(pool("deepseek-v2-lite", "role: prefill, ", "context: 0"),
            "test.yaml:7:43: serving.pools[0].parallel.context: must be at least 1, got 0");
}
TEST(ContextReject, RequestsThatDecode) {
  for (const char* role : {"both", "decode"})
    EXPECT_EQ(refused("deepseek-v2-lite", fmt::format("role: {}, ", role), "context: 8"),
              "8 parts of a prompt share its tokens, but a request that decodes has one at a time, which each would "
              "compute; give prompts a pool of their own (role: prefill)");
}
TEST(ContextReject, AFixedStep) {
  EXPECT_EQ(refused("deepseek-v2-lite", "role: prefill, fixed: {step: 1 ms}, ", "context: 8"),
            "a fixed step knows no parts of a prompt, got 8");
}
TEST(ContextReject, SlicesOfExperts) {
  EXPECT_EQ(refused("deepseek-v2-lite", "role: prefill, ", "context: 2, tensor: 4, experts_tensor: true"),
            "needs whole experts on each GPU (experts_tensor: false), since every part's tokens visit all experts");
}
TEST(ContextReject, LayersThatPassOn) {
  EXPECT_EQ(refused("kimi-linear-48b-a3b", "role: prefill, ", "context: 2"),
            "layer 0 of kimi-linear-48b-a3b keeps a state (KDA), and has no costs for prompts that 2 GPUs share; 1 "
            "would do");
  EXPECT_EQ(refused("deepseek-v4-flash", "role: prefill, ", "context: 2"),
            "layer 0 of deepseek-v4-flash makes entries of several tokens (compressed), and has no costs for prompts "
            "that 2 GPUs share; 1 would do");
}
TEST(ContextReject, GroupsAcrossTheEdgeOfANode) {
  EXPECT_EQ(refused("deepseek-v2-lite", "role: prefill, ", "context: 3, data: 2"),
            "the 3 GPUs that share a prompt (tensor x context) neither divide a node of 8 nor fill whole ones");
}
TEST(ContextReject, MoreGpusThanThereAre) {
  EXPECT_EQ(pool("deepseek-v2-lite", "role: prefill, ", "context: 10000, data: 10000"),
            "test.yaml:7:33: serving.pools[0].parallel: an instance has at most 1000000 GPUs, got 100000000");
}
}  // namespace
}  // namespace moesim::serving::context
