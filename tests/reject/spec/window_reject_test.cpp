// Windowed layers with heads of their own, gates by head, experts that compute nothing: what is wrong is said with
// file, key and both values.
#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "support/refusal.h"

namespace moesim::spec::windows {
namespace {
std::string error(const std::string& attention, const std::string& moe = "") {
  const std::string text =
      "architecture: glm4_moe\nvocabulary: 64\nhidden: 32\nlayers: 4\ndense_width: 64\n"
      "attention: {heads: 4, head_dim: 16, v_head_dim: 16, " +
      attention + "}\nmoe: {experts: 8, expert_width: 16, top_k: 2, selection: greedy" + moe + "}\n";
  return test::refusal_of([&] { (void)read_model(Config::from_text(text, "m.yaml")); });
}
const std::string kWindows = "kind: GQA, kv_heads: 2, sliding_window: 8, sliding_layers: [1, 2], window_heads: ";

TEST(RejectWindowHeads, KindsAndWidths) {
  EXPECT_EQ(error(kWindows + "{heads: 6, kv_heads: 2, head_dim: 8, v_head_dim: 8}"), "accepted");
  EXPECT_TRUE(error(kWindows + "{heads: 6, kv_heads: 4, head_dim: 8, v_head_dim: 8}")
                  .ends_with("attention.window_heads.kv_heads: must divide the 6 heads, got 4"));
  EXPECT_TRUE(error("kind: GQA, kv_heads: 2, window_heads: {heads: 6, kv_heads: 2, head_dim: 8, v_head_dim: 8}")
                  .ends_with("attention.window_heads: is of windowed layers, and sliding_layers names none"));
  EXPECT_TRUE(error("kind: windowed GQA, kv_heads: 2")
                  .ends_with("attention.kind: windowed GQA is what windowed layers have where `window_heads` is given; "
                             "expected MHA or GQA"));
}

TEST(RejectHeadGates, OfOtherKinds) {
  EXPECT_EQ(error("kind: GQA, kv_heads: 2, head_gate: true"), "accepted");
  EXPECT_TRUE(error("kind: MFA, kv_heads: 1, q_lora_rank: 16, head_gate: true")
                  .ends_with("attention.head_gate: goes with attention of kind MHA or GQA, got MFA"));
  EXPECT_TRUE(
      error("kind: MFA, kv_heads: 2, q_lora_rank: 16").ends_with("attention.kv_heads: must be 1 for MFA, got 2"));
}

TEST(RejectIdleExperts, WhereTheyAreNot) {
  EXPECT_EQ(error("kind: GQA, kv_heads: 2", ", idle_experts: 4"), "accepted");
  EXPECT_TRUE(
      error("kind: GQA, kv_heads: 2", ", shortcut: true")
          .ends_with("moe.shortcut: goes with experts in the even layers: layer_frequency 2 and layer_offset 1, "
                     "got 1 and 0"));
  EXPECT_TRUE(
      error("kind: GQA, kv_heads: 2", ", dense_beside: true").ends_with("shared_experts: must be more than 0, got 0"));
}
}  // namespace
}  // namespace moesim::spec::windows
