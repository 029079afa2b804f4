// The memory-bound operations of a DeepSeek-V3 layer in training, against DeepSeek's published profile of it: T = 4096
// tokens a GPU, R = 32,768 routed rows, four experts, FP8 products, norms and up-projections recomputed.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "compute/layers/inventory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
constexpr std::int64_t kTokens = 4096, kRows = 32768;

class V3Layer : public testing::Test {
 protected:
  V3Layer() {
    options.training = true;
    options.precision.linear = spec::Dtype::fp8;
    options.recompute = {true, true, true, false};
  }
  std::vector<Operation> operations(std::initializer_list<LayerPart> parts, Pass pass) const {
    std::vector<Operation> out;
    for (const LayerPart part : parts) append_operations(out, model, 10, part, pass, batch, rows, options);
    return out;
  }
  static int count(const std::vector<Operation>& list, MemoryKind kind, Bytes bytes) {
    return int(std::ranges::count_if(list, [&](const Operation& o) {
      const auto* m = std::get_if<MemoryOp>(&o.kernel);
      return m && m->kind == kind && m->bytes == bytes;
    }));
  }
  static int count(const std::vector<Operation>& list, MemoryKind kind) {
    return int(std::ranges::count_if(list, [&](const Operation& o) {
      const auto* m = std::get_if<MemoryOp>(&o.kernel);
      return m && m->kind == kind;
    }));
  }
  static Bytes cast(std::int64_t elements) {
    return tensor_bytes(elements, spec::Dtype::bf16) + tensor_bytes(elements, spec::Dtype::fp8);
  }
  spec::Model model = spec::load_model("deepseek-v3");
  Batch batch = training_batch(model, kTokens);
  std::vector<std::int64_t> rows = std::vector<std::int64_t>(4, kRows / 4);
  LayerOptions options;
};

TEST_F(V3Layer, AttentionForward) {
  const auto list = operations({LayerPart::attention, LayerPart::gate}, Pass::forward);
  EXPECT_EQ(count(list, MemoryKind::norm), 4);                         // T x 7168 twice, T x 1536, T x 512
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 7168)), 3);   // before q_a, before kv_a, before dispatch
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 1536)), 1);   // before q_b
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 512)), 1);    // before kv_b
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 16384)), 1);  // before o_proj
  EXPECT_EQ(count(list, MemoryKind::cast, Bytes{kTokens * 16384 * 7 / 2}), 1);  // 12-bit store: 2 bytes in, 1.5 out
  EXPECT_EQ(count(list, MemoryKind::cast), 7);
  EXPECT_EQ(count(list, MemoryKind::rope), 1);
  EXPECT_EQ(count(list, MemoryKind::copy), 1);  // K and V assembled
  EXPECT_EQ(count(list, MemoryKind::add), 1);
  EXPECT_TRUE(std::ranges::any_of(list, [](const Operation& o) { return describe(o.kernel) == "35 small kernels"; }));
}

TEST_F(V3Layer, ExpertsForward) {
  const auto list = operations({LayerPart::shared, LayerPart::experts, LayerPart::merge}, Pass::forward);
  EXPECT_EQ(count(list, MemoryKind::permute), 1);
  EXPECT_EQ(count(list, MemoryKind::unpermute), 1);
  EXPECT_EQ(count(list, MemoryKind::swiglu), 2);
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kRows * 7168)), 1);  // both kept for backward
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 7168)), 1);
  EXPECT_EQ(count(list, MemoryKind::add), 1);
}

// Width 2,048: gate and up come in with 4,096 columns in BF16, and the product leaves in FP8.
TEST_F(V3Layer, SwigluReadsTwoWidthsAndWritesOne) {
  const auto list = operations({LayerPart::shared, LayerPart::experts}, Pass::forward);
  for (const std::int64_t many : {kTokens, kRows})
    EXPECT_EQ(count(list, MemoryKind::swiglu,
                    tensor_bytes(many * 4096, spec::Dtype::bf16) + tensor_bytes(many * 2048, spec::Dtype::fp8)),
              1)
        << many;
}

// The attention's output lies in 12 bits: 1.5 bytes in, 2 out.
TEST_F(V3Layer, BackwardRestoresTheAttentionsOutput) {
  const auto list = operations({LayerPart::attention}, Pass::backward_input);
  EXPECT_EQ(count(list, MemoryKind::cast, Bytes{kTokens * 16384 * 7 / 2}), 1);
}

TEST_F(V3Layer, ExpertsBackward) {
  const auto list = operations({LayerPart::merge, LayerPart::shared, LayerPart::experts}, Pass::backward_input);
  EXPECT_EQ(count(list, MemoryKind::swiglu), 2);  // again
  EXPECT_EQ(count(list, MemoryKind::swiglu_backward), 2);
  EXPECT_EQ(count(list, MemoryKind::norm), 1);  // again
  EXPECT_EQ(count(list, MemoryKind::transpose), 1);
  EXPECT_EQ(count(list, MemoryKind::permute), 1);
  EXPECT_EQ(count(list, MemoryKind::unpermute), 1);
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kRows * 4096)), 1);
  EXPECT_EQ(count(list, MemoryKind::cast_transpose, cast(kRows * 2048)), 1);
  EXPECT_EQ(count(list, MemoryKind::cast_transpose, cast(kRows * 4096)), 1);
  // Before dispatch, before the shared expert's down product, and the recomputed norm's result.
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 7168)), 3);
  // FP8 to BF16 and BF16 to FP8 move the same bytes: gate-up restored, its gradient cast.
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 4096)), 2);
}

TEST_F(V3Layer, AttentionBackward) {
  const auto list = operations({LayerPart::gate, LayerPart::attention}, Pass::backward_input);
  EXPECT_EQ(count(list, MemoryKind::norm), 3);           // again: T x 1536, T x 512, T x 7168
  EXPECT_EQ(count(list, MemoryKind::norm_backward), 4);  // and of the FFN's norm
  EXPECT_EQ(count(list, MemoryKind::rope), 2);           // again, and backward
  EXPECT_EQ(count(list, MemoryKind::copy), 2);           // assembled again, and split
  EXPECT_EQ(count(list, MemoryKind::transpose), 1);
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 24576)), 1);
  EXPECT_EQ(count(list, MemoryKind::cast, cast(kTokens * 32768)), 1);
  for (const std::int64_t width : {16384, 7168, 32768, 512, 24576, 1536})
    EXPECT_GE(count(list, MemoryKind::cast_transpose, cast(kTokens * width)), 1) << width;
}

TEST_F(V3Layer, WeightGradients) {
  const auto list = operations({LayerPart::experts}, Pass::weight_gradient);
  EXPECT_EQ(count(list, MemoryKind::cast_transpose, cast(kRows * 7168)), 2);
  EXPECT_EQ(list.size(), 4);
}
}  // namespace
}  // namespace moesim::compute
