// Operations of a layer counted one by one: bytes, which of them are done again, and where the router is split.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/layers/inventory.h"
#include "compute/layers/memory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
std::vector<Operation> operations(const spec::Model& model, LayerPart part, Pass pass, const Batch& batch,
                                  const LayerOptions& options, std::span<const std::int64_t> rows = {}) {
  std::vector<Operation> out;
  append_operations(out, model, model.layers - 1, part, pass, batch, rows, options);
  return out;
}
const Operation& named(const std::vector<Operation>& list, std::string_view name) {
  const auto at = std::ranges::find(list, name, &Operation::name);
  if (at != list.end()) return *at;
  static const Operation none{};
  ADD_FAILURE() << "no operation " << name;
  return none;
}
bool has(const std::vector<Operation>& list, std::string_view name) {
  return std::ranges::find(list, name, &Operation::name) != list.end();
}

// Ten steps of 64 numbers for each part: of 7,168 columns eight parts, of 4,096 four, of 2,048 none.
TEST(LayerOperations, ARouterOfFewTokensIsSplitIntoAsManyPartsAsLeaveTenSteps) {
  for (const auto& [model, parts] : {std::pair("deepseek-v3", 8), {"mixtral-8x7b", 4}, {"qwen3-30b-a3b", 1}}) {
    const spec::Model m = spec::load_model(model);
    Batch batch;
    batch.tokens = 16;
    const auto list = operations(m, LayerPart::gate, Pass::forward, batch, {});
    const Operation& router = named(list, "router");
    ASSERT_TRUE(std::holds_alternative<Gemm>(router.kernel)) << model;
    const Gemm& product = std::get<Gemm>(router.kernel);
    EXPECT_EQ(product.batch, parts) << model;
    EXPECT_EQ(product.k * parts, m.hidden) << model;
    ASSERT_EQ(has(list, "sum router parts"), parts > 1) << model;
    if (parts > 1) {  // FP32 in and out
      EXPECT_EQ(bytes_of(named(list, "sum router parts").kernel), Bytes{(parts + 1) * 16 * m.moe->experts * 4});
    }
  }
}

// Gate and up in, their product out: three numbers of two bytes for each column.
TEST(LayerOperations, SwigluReadsTwiceWhatItWrites) {
  const spec::Model m = spec::load_model("deepseek-v2-lite");
  Batch batch;
  batch.tokens = 100;
  const auto shared = operations(m, LayerPart::shared, Pass::forward, batch, {});
  EXPECT_EQ(bytes_of(named(shared, "swiglu").kernel), Bytes{100 * 2 * 1408 * 3 * 2});
  const std::vector<std::int64_t> rows{30, 40};
  const auto experts = operations(m, LayerPart::experts, Pass::forward, batch, {}, rows);
  EXPECT_EQ(bytes_of(named(experts, "swiglu").kernel), Bytes{70 * 1408 * 3 * 2});
}

// Gradients that came in BF16 are cast where products are in FP8, and not where they came in FP8 or stay in BF16.
TEST(LayerOperations, RowsAreCastWhereTheyCameInBf16) {
  const spec::Model m = spec::load_model("deepseek-v3");
  const std::vector<std::int64_t> rows{128, 128};
  for (const auto& [linear, dispatch, cast] : {std::tuple(spec::Dtype::fp8, spec::Dtype::bf16, true),
                                               {spec::Dtype::fp8, spec::Dtype::fp8, false},
                                               {spec::Dtype::bf16, spec::Dtype::bf16, false}}) {
    LayerOptions o;
    o.training = true;
    o.precision.linear = linear;
    o.precision.dispatch = dispatch;
    const Batch batch = training_batch(m, 256);
    EXPECT_EQ(has(operations(m, LayerPart::experts, Pass::forward, batch, o, rows), "cast rows"), cast);
    const auto back = operations(m, LayerPart::experts, Pass::backward_input, batch, o, rows);
    EXPECT_EQ(has(back, "cast gradient of rows"), cast);
    for (const char* product : {"grouped down dgrad", "grouped gate-up dgrad"})
      EXPECT_FALSE(std::get<GroupedGemm>(named(back, product).kernel).weight_gradient) << product;
  }
}

TEST(LayerOperations, OnlyTheActivationIsDoneAgainBeforeItsGradient) {
  const spec::Model m = spec::load_model("deepseek-v3");
  const std::vector<std::int64_t> rows{128, 128};
  LayerOptions o;
  o.training = true;
  o.recompute.swiglu = true;
  for (const LayerPart part : {LayerPart::experts, LayerPart::shared})
    for (const Operation& op : operations(m, part, Pass::backward_input, training_batch(m, 256), o, rows))
      EXPECT_EQ(op.recomputed, op.name == "swiglu again" || op.name == "cast activation") << op.name;
}

// What attention gave was kept in 12 bits: 1.5 bytes in, 2 out, for each of 128 heads' 128 numbers.
TEST(LayerOperations, KeptOutputsOfAttentionAreReadAsTheyWereWritten) {
  const spec::Model m = spec::load_model("deepseek-v3");
  LayerOptions o;
  o.training = true;
  o.precision.linear = spec::Dtype::fp8;
  const Batch batch = training_batch(m, 256);
  const Bytes bytes{256 * 128 * 128 * 7 / 2};
  EXPECT_EQ(bytes_of(named(operations(m, LayerPart::attention, Pass::forward, batch, o), "store output").kernel),
            bytes);
  EXPECT_EQ(
      bytes_of(named(operations(m, LayerPart::attention, Pass::backward_input, batch, o), "restore output").kernel),
      bytes);
}

// Qwen2-MoE's shared expert is gated: its output, 2,048 numbers a token in BF16, is kept for the gate's gradient.
TEST(LayerOperations, AGatedSharedExpertKeepsItsOutput) {
  spec::Model m = spec::load_model("deepseek-v2-lite");
  LayerOptions o;
  o.training = true;
  const auto kept = [&] { return sum_of(layer_activations(m, m.layers - 1, training_batch(m, 256), 512, o)).v; };
  const std::int64_t before = kept();
  m.moe->shared_gate = true;
  EXPECT_EQ(kept() - before, 256 * 2048 * 2);
}
}  // namespace
}  // namespace moesim::compute
