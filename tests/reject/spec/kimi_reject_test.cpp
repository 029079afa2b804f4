// Layers of KDA, and blocks that an indexer picks: what is wrong is said with file, key and both values.
#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "support/refusal.h"

namespace moesim::spec::kimi {
namespace {
std::string error(const std::string& attention, const std::string& more) {
  const std::string text =
      "architecture: deepseek_v3\nvocabulary: 64\nhidden: 32\nlayers: 4\nmax_positions: 4096\n"
      "attention: {" +
      attention + "}\nmoe: {experts: 8, expert_width: 16, top_k: 2, selection: greedy}\n" + more;
  return test::refusal_of([&] { (void)read_model(Config::from_text(text, "m.yaml")); });
}
const std::string kLatent =
    "kind: MLA, heads: 4, kv_heads: 4, head_dim: 24, v_head_dim: 16, kv_lora_rank: 32, qk_nope_head_dim: 16, "
    "qk_rope_head_dim: 8";
const std::string kHeads = "kind: block-sparse GQA, heads: 4, kv_heads: 2, head_dim: 16, v_head_dim: 16";

TEST(RejectKimi, LayersAndWidths) {
  const auto kimi = [](const std::string& of) { return error(kLatent, "kimi: {" + of + "}\n"); };
  EXPECT_EQ(kimi("heads: 2, dim: 16, convolution: 4, layers: [0, 1, 2]"), "accepted");
  EXPECT_EQ(kimi("heads: 2, dim: 16, convolution: 4, layers: [0, 4]"),
            "m.yaml:8:51: kimi.layers: must be ascending layer numbers from 0 to 3, got 4");
  EXPECT_EQ(kimi("heads: 2, dim: 16, convolution: 4, layers: []"),
            "m.yaml:8:51: kimi.layers: names no layer; leave `kimi` out");
  EXPECT_EQ(kimi("heads: 2, dim: 0, convolution: 4, layers: [0]"), "m.yaml:8:23: kimi.dim: must be more than 0, got 0");
  EXPECT_EQ(error(kLatent,
                  "kimi: {heads: 2, dim: 16, convolution: 4, layers: [0]}\n"
                  "mamba: {heads: 2, head_dim: 16, groups: 1, state: 16, convolution: 4, layers: [0]}\n"),
            "m.yaml:8:51: kimi.layers: layer 0 keeps another state");
  EXPECT_EQ(error("kind: KDA, heads: 4, kv_heads: 2, head_dim: 16, v_head_dim: 16", ""),
            "m.yaml:6:19: attention.kind: KDA is what the layers of `kimi` have; expected MHA, GQA or MLA for the "
            "others");
}

TEST(RejectKimi, BlocksThatAreNotThere) {
  const auto blocks = [](const std::string& of) { return error(kHeads + ", blocks: {" + of + "}", ""); };
  const std::string widths = "heads: 2, head_dim: 16, block: 64, ";
  EXPECT_EQ(blocks(widths + "blocks: 4, layers: [1, 2]"), "accepted");
  EXPECT_EQ(error(kHeads, ""), "m.yaml:6:12: attention: blocks: is needed for block-sparse GQA");
  EXPECT_EQ(blocks(widths + "blocks: 65, layers: [1]"),
            "m.yaml:6:142: attention.blocks.blocks: pick 4160 keys of the 4096 positions there are");
  EXPECT_EQ(blocks(widths + "blocks: 4, layers: [4]"),
            "m.yaml:6:153: attention.blocks.layers: must be ascending layer numbers from 0 to 3, got 4");
  EXPECT_EQ(error("kind: GQA, heads: 4, kv_heads: 2, head_dim: 16, v_head_dim: 16, blocks: {" + widths +
                      "blocks: 4, layers: [1]}",
                  ""),
            "m.yaml:6:85: attention.blocks: goes with attention of kind block-sparse GQA, got GQA");
}
}  // namespace
}  // namespace moesim::spec::kimi
