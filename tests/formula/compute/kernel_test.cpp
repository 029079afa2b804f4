#include "compute/kernels/kernel.h"

#include <gtest/gtest.h>

#include <vector>

namespace moesim::compute {
namespace {
TEST(KernelBytes, Fp8CarriesFourBytesPer128AndFp4OnePer32) {
  EXPECT_EQ(tensor_bytes(7168, spec::Dtype::fp8), Bytes{7168 + 4 * 56});
  EXPECT_EQ(tensor_bytes(129, spec::Dtype::fp8), Bytes{129 + 8});
  EXPECT_EQ(weight_bytes(576, 7168, spec::Dtype::fp8), Bytes{576 * 7168 + 4 * 5 * 56});
  EXPECT_EQ(tensor_bytes(64, spec::Dtype::fp4), Bytes{32 + 2});
  EXPECT_EQ(weight_bytes(3, 33, spec::Dtype::fp4), Bytes{3 * 2 * 17});
  EXPECT_EQ(tensor_bytes(10, spec::Dtype::bf16), Bytes{20});
}

TEST(KernelCounts, GemmIsTwoMNKAndEachMatrixOnce) {
  const Kernel gemm = Gemm{.m = 2, .n = 3, .k = 4};
  EXPECT_EQ(flops_of(gemm), Flops{48});
  EXPECT_EQ(bytes_of(gemm), Bytes{2 * (2 * 4 + 3 * 4 + 2 * 3)});
  // Accumulating in FP32 reads and writes the 2 x 3 result at 4 bytes.
  EXPECT_EQ(bytes_of(Gemm{.m = 2, .n = 3, .k = 4, .fp32_accumulate = true}), Bytes{2 * (8 + 12) + 8 * 6});
}

TEST(KernelCounts, AScaleForAllTakesNoBytes) {
  Gemm g{.m = 128, .n = 128, .k = 256, .dtype = spec::Dtype::fp8, .fp32_accumulate = true};
  const std::int64_t numbers = 2 * 128 * 256, result = 8 * 128 * 128;
  EXPECT_EQ(bytes_of(g), Bytes{numbers + 4 * numbers / 128 + result});
  g.scales = Scales::groups;  // 32 numbers a byte
  EXPECT_EQ(bytes_of(g), Bytes{numbers + numbers / 32 + result});
  for (const Scales scales : {Scales::tensor, Scales::promoted}) {
    g.scales = scales;
    EXPECT_EQ(bytes_of(g), Bytes{numbers + result});
  }
  EXPECT_EQ(describe(g), "gemm 128 x 128 x 256 fp8 scaled by tensor, promoted into fp32");
}

TEST(KernelCounts, GroupedGemmReadsOnlyTheWeightsOfExpertsWithRows) {
  const std::vector<std::int64_t> rows = {5, 0, 1};
  const Kernel grouped = GroupedGemm{.rows = rows, .n = 3, .k = 4};
  EXPECT_EQ(flops_of(grouped), Flops{2 * 6 * 12});
  EXPECT_EQ(bytes_of(grouped), Bytes{2 * (6 * 4 + 2 * 12 + 6 * 3)});
}

TEST(KernelCounts, AbsorbedMlaReadsTheLatentOnceForAllHeads) {
  const AttentionHeads heads{spec::AttentionKind::mla, 128, 1, 576, 512, true};
  AttentionDecode decode{heads, {.sequences = 1, .queries = 1, .keys = 1000, .longest = 1000, .pairs = 1000}};
  EXPECT_EQ(flops_of(decode), Flops{2.0 * 128 * 1000 * (576 + 512)});
  EXPECT_EQ(bytes_of(decode), Bytes{2 * 576 * 1000 + 2 * 128 * (576 + 512)});
  decode.cache = spec::Dtype::fp8;
  EXPECT_EQ(bytes_of(decode), Bytes{656 * 1000 + 2 * 128 * (576 + 512)});
}

TEST(KernelCounts, BackwardAttentionIsTwoAndAHalfForwardsWhenHeadsAreSquare) {
  const AttentionHeads heads{spec::AttentionKind::mha, 8, 8, 128, 128, false};
  const AttentionWork work{1, 64, 64, 64, 64 * 32};
  EXPECT_EQ(flops_of(AttentionBackward{heads, work}).v, 2.5 * flops_of(AttentionPrefill{heads, work}).v);
}

TEST(KernelCounts, DescribesTheShape) {
  EXPECT_EQ(describe(Gemm{.m = 4096, .n = 7168, .k = 16384, .dtype = spec::Dtype::fp8}),
            "gemm 4096 x 7168 x 16384 fp8");
}
}  // namespace
}  // namespace moesim::compute
