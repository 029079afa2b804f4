// Which layers' heads are normed and turned, by the operations that do it.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/layers/inventory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
TEST(Inventory, Llama4NormalisesHeadsOnlyWhereTheyRotate) {
  spec::Model model = spec::load_model("llama-4-maverick");
  model.attention.qk_norm = true;  // as Scout
  const Batch batch = training_batch(model, 64);
  LayerOptions options;
  options.training = true;
  const auto names = [&](int layer) {
    std::vector<Operation> operations;
    for (const Pass pass : {Pass::forward, Pass::backward_input})
      append_operations(operations, model, layer, LayerPart::attention, pass, batch, {}, options);
    std::vector<std::string_view> out;
    for (const Operation& o : operations) {
      out.push_back(o.name);
      if (o.name == "norm q, k") {
        EXPECT_EQ(o.weights, 0_B);
      }
    }
    return out;
  };
  const auto has = [](const std::vector<std::string_view>& all, std::string_view name) {
    return std::ranges::find(all, name) != all.end();
  };
  for (const char* name : {"rope", "norm q, k", "rope backward", "norm q, k backward"}) {
    EXPECT_TRUE(has(names(2), name)) << name;
    EXPECT_FALSE(has(names(3), name)) << name;
  }
  EXPECT_FALSE(has(names(2), "scale q"));
  EXPECT_TRUE(has(names(3), "scale q"));
}

// GLM-4.5 turns half of each head.
TEST(Inventory, RotaryEmbeddingMovesOnlyWhatRotates) {
  const spec::Model model = spec::load_model("glm-4.5");
  std::vector<Operation> operations;
  append_operations(operations, model, 5, LayerPart::attention, Pass::forward, training_batch(model, 64), {}, {});
  const auto at = std::ranges::find(operations, "rope", &Operation::name);
  ASSERT_NE(at, operations.end());
  EXPECT_EQ(at->bytes, Bytes{2 * 2 * 64 * (96 + 8) * 128 / 2});  // in and out, BF16, 96 + 8 heads of 128
}
}  // namespace
}  // namespace moesim::compute
