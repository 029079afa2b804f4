// Windowed layers with heads of their own, gates by head, keys that are values, networks beside experts and outputs of
// the gate that compute nothing: the layers of Step-3.7, MiMo-V2, Gemma-4 and LongCat, worked out in the head.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/layers/inventory.h"
#include "compute/layers/memory.h"
#include "spec/catalogue.h"
#include "spec/count.h"

namespace moesim::compute {
namespace {
std::vector<Operation> part_of(const spec::Model& m, int layer, LayerPart part, int tensor = 1) {
  Batch batch;
  add_decode(batch, m, 9999);
  LayerOptions options;
  options.tensor = tensor;
  std::vector<Operation> out;
  append_operations(out, m, layer, part, Pass::forward, batch, {}, options);
  return out;
}
template <class K>
K kernel(const std::vector<Operation>& operations, std::string_view name) {
  const auto at = std::ranges::find(operations, name, &Operation::name);
  if (at != operations.end()) return std::get<K>(at->kernel);
  ADD_FAILURE() << "no " << name;
  return {};
}
std::int64_t count(const std::vector<Operation>& operations, std::string_view part) {
  return std::ranges::count_if(operations, [&](const Operation& o) { return o.name.starts_with(part); });
}

TEST(WindowHeads, OfStepAreMoreThanThoseOfOtherLayers) {
  const spec::Model m = spec::load_model("step-3.7-flash");
  for (const auto& [layer, heads, keys] : {std::tuple(0, 64, 10'000), {1, 96, 512}})
    for (const int tensor : {1, 8}) {
      const auto ops = part_of(m, layer, LayerPart::attention, tensor);
      EXPECT_EQ(kernel<Gemm>(ops, "qkv").n, (heads + 2 * 8) * 128 / tensor);
      EXPECT_EQ(kernel<Gemm>(ops, "head gates").n, heads / tensor);
      EXPECT_EQ(kernel<Gemm>(ops, "o_proj").k, heads * 128 / tensor);
      const auto attends = kernel<AttentionDecode>(ops, "attention decode");
      EXPECT_EQ(attends.heads, (AttentionHeads{spec::AttentionKind::gqa, heads / tensor, 8 / tensor, 128, 128, false}));
      EXPECT_EQ(attends.work.keys, keys);
    }
}

TEST(WindowHeads, OfMimoHaveMoreKeysAndSinks) {
  const spec::Model m = spec::load_model("mimo-v2-flash");
  const auto full = part_of(m, 0, LayerPart::attention), windowed = part_of(m, 1, LayerPart::attention);
  EXPECT_EQ(kernel<Gemm>(full, "qkv").n, 64 * 192 + 4 * (192 + 128));
  EXPECT_EQ(kernel<Gemm>(windowed, "qkv").n, 64 * 192 + 8 * (192 + 128));
  const auto vectors = [](const std::vector<Operation>& ops) {
    return std::ranges::find(ops, "attention decode", &Operation::name)->weights;
  };
  EXPECT_EQ(vectors(full), Bytes{0});
  EXPECT_EQ(vectors(windowed), Bytes{2 * 64});  // one logit a head
  // 64 of a head's 192 columns turn.
  EXPECT_EQ(kernel<MemoryOp>(full, "rope").bytes, Bytes{2 * 2 * (64 + 4) * 64});
}

TEST(KeysThatAreValues, OfGemmaAreProjectedOnce) {
  const spec::Model m = spec::load_model("gemma-4-26b-a4b");
  EXPECT_EQ(kernel<Gemm>(part_of(m, 5, LayerPart::attention), "qk").n, (16 + 2) * 512);
  EXPECT_EQ(kernel<Gemm>(part_of(m, 0, LayerPart::attention), "qkv").n, (16 + 2 * 8) * 256);
  EXPECT_EQ(kernel<MemoryOp>(part_of(m, 5, LayerPart::attention), "rope").bytes, Bytes{2 * 2 * (16 + 2) * 128});
  EXPECT_EQ(kernel<MemoryOp>(part_of(m, 0, LayerPart::attention), "rope").bytes, Bytes{2 * 2 * (16 + 8) * 256});
  // A dense network of 2,112 beside the experts, with norms of its own: seven a layer, and the router's.
  const auto dense = part_of(m, 0, LayerPart::shared);
  EXPECT_EQ(kernel<Gemm>(dense, "gate-up").n, 2 * 2112);
  EXPECT_EQ(count(part_of(m, 0, LayerPart::attention), "norm"), 3);  // queries and keys are normed besides
  EXPECT_EQ(count(part_of(m, 0, LayerPart::gate), "norm"), 2);
  EXPECT_EQ(count(dense, "norm"), 2);
  EXPECT_EQ(count(part_of(m, 0, LayerPart::merge), "norm"), 2);
}

// Queries through a latent of 2,048 that every GPU makes, one key and value of 256 for all heads.
TEST(FactoredAttention, OfStep3SharesOneKey) {
  const spec::Model m = spec::load_model("step-3");
  for (const int tensor : {1, 8}) {
    const auto ops = part_of(m, 4, LayerPart::attention, tensor);
    EXPECT_EQ(kernel<Gemm>(ops, "q down, kv").n, 2048 + 2 * 256);
    EXPECT_EQ(kernel<Gemm>(ops, "q up").n, 64 * 256 / tensor);
    EXPECT_EQ(kernel<AttentionDecode>(ops, "attention decode").heads,
              (AttentionHeads{spec::AttentionKind::gqa, 64 / tensor, 1, 256, 256, false}));
  }
  EXPECT_EQ(cache_bytes(m, 1000, spec::CacheFormat::bf16), Bytes{1000 * 61 * 2 * 256 * 2});
  EXPECT_FALSE(m.is_moe_layer(3));
  EXPECT_FALSE(m.is_moe_layer(60));
}

TEST(IdleExperts, OfLongcatTakeAThirdOfTheChoices) {
  const spec::Model m = spec::load_model("longcat-flash");
  EXPECT_EQ(m.layers, 56);
  EXPECT_EQ(m.moe->rows_a_token(), 8);
  EXPECT_TRUE(m.is_moe_layer(0));
  EXPECT_FALSE(m.is_moe_layer(1));
  const auto gate = part_of(m, 0, LayerPart::gate);
  const auto router = kernel<Gemm>(gate, "router");
  EXPECT_EQ(router.n, 512 + 256);
  EXPECT_EQ(kernel<Gemm>(part_of(m, 0, LayerPart::shared), "gate-up").n, 2 * 12'288);
  EXPECT_EQ(kernel<Gemm>(part_of(m, 1, LayerPart::shared), "gate-up").n, 2 * 12'288);
}

// Parameters as summed over the makers' tensors apart from this program; bytes of a token in layers that keep all, and
// of full windows.
TEST(WindowHeads, ParametersAndCachesAreTheModels) {
  struct Known {
    const char* name;
    std::int64_t total, active, token, windows;
  };
  constexpr Known kKnown[] = {{"mimo-v2-flash", 308'778'780'864, 15'445'936'320, 23'040, 25'559'040},
                              {"step-3.7-flash", 196'956'130'368, 11'987'323'968, 49'152, 69'206'016},
                              {"gemma-4-26b-a4b", 25'233'035'520, 3'822'424'320, 20'480, 209'715'200},
                              {"longcat-flash", 560'664'980'480, 32'182'676'480, 64'512, 0}};
  for (const Known& one : kKnown) {
    SCOPED_TRACE(one.name);
    const spec::Model m = spec::load_model(one.name);
    ASSERT_TRUE(m.can_run()) << m.obstacle();
    EXPECT_EQ(count_parameters(m).total(), one.total);
    EXPECT_EQ(count_parameters(m).active, one.active);
    EXPECT_EQ(cache_bytes(m, 100'000, spec::CacheFormat::bf16), Bytes{100'000 * one.token + one.windows});
  }
}
}  // namespace
}  // namespace moesim::compute
