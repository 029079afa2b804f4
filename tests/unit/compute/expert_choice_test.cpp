// Whose products routed experts are computed with: the engine's usual ones, or the scenario's choice.
#include <gtest/gtest.h>

#include <array>

#include "compute/kernels/choice.h"
#include "compute/kernels/kernel_model.h"
#include "spec/catalogue.h"
#include "support/refusal.h"

namespace moesim::compute {
namespace {
using spec::Dtype;

std::unique_ptr<KernelModel> model(const char* gpu, const std::string& keys = "") {
  return kernel_models().make(Config::from_text("{kind: calibrated" + keys + "}", "test"), spec::load_gpu(gpu));
}

TEST(ExpertFormats, FollowActivationsWeightsAndScales) {
  const auto of = [](Dtype dtype, std::optional<Dtype> weights = {}, Scales scales = Scales::blocks) {
    return format_of(GroupedGemm{.rows = {}, .dtype = dtype, .weights = weights, .scales = scales});
  };
  EXPECT_EQ(of(Dtype::bf16), ExpertFormat::bf16);
  EXPECT_EQ(of(Dtype::fp8), ExpertFormat::fp8_block);
  EXPECT_EQ(of(Dtype::fp8, {}, Scales::tokens), ExpertFormat::fp8);
  EXPECT_EQ(of(Dtype::nvfp4), ExpertFormat::nvfp4);
  EXPECT_EQ(of(Dtype::fp8, Dtype::fp4), ExpertFormat::mxfp4_fp8);
  EXPECT_EQ(of(Dtype::bf16, Dtype::fp4), ExpertFormat::mxfp4_bf16);
  EXPECT_EQ(of(Dtype::bf16, Dtype::int4), ExpertFormat::int4_bf16);
}

// DeepSeek-V3's experts stay with the kernels fitted to DeepGEMM's tables; 16 bits by another library pay no promotion
// of FP8 sums.
TEST(ExpertChoice, UsualIsDeepGemmAndOthersHaveTheirOwn) {
  const Calibration c = load_calibration("kernels-hopper");
  const std::array<std::int64_t, 1> rows{128};
  GroupedGemm g{.rows = rows, .n = 1024, .k = 1024, .dtype = Dtype::fp8};
  EXPECT_EQ(&choose(c, g).equation, &c.contiguous);
  g.layout = GroupLayout::masked;
  EXPECT_EQ(&choose(c, g).equation, &c.masked);
  g.dtype = Dtype::bf16;
  const Chosen<GemmEquation> chosen = choose(c, g, {ExpertLibrary::triton, {}, {}});
  EXPECT_NE(&chosen.equation, &c.masked);
  EXPECT_EQ(chosen.lender, Lender::none);
  EXPECT_EQ(&choose(c, g, {ExpertLibrary::deep_gemm, {}, {}}).equation, &c.masked);
}

TEST(ExpertChoice, ALibraryChangesTheTimeAndIsNamed) {
  const std::array<std::int64_t, 2> rows{512, 512};
  const GroupedGemm g{.rows = rows, .n = 4096, .k = 7168, .dtype = Dtype::fp8};
  const auto usual = model("h100"), triton = model("h100", ", experts: triton");
  EXPECT_NE(usual->cost(g).time, triton->cost(g).time);
  EXPECT_NE(triton->source().find("experts' products: triton"), std::string::npos);
  EXPECT_EQ(usual->source().find("experts'"), std::string::npos);
}

TEST(ExpertChoice, ALibraryTheGpuLacksIsRefused) {
  const std::string said = test::refusal_of([] { model("h100", ", experts: trtllm"); });
  EXPECT_NE(said.find("no products of trtllm on hopper GPUs; there are usual, deep_gemm"), std::string::npos) << said;
  EXPECT_NE(test::refusal_of([] { model("a100", ", experts: deep_gemm"); }), "accepted");
  EXPECT_EQ(test::refusal_of([] { model("b200", ", experts: trtllm"); }), "accepted");
}
}  // namespace
}  // namespace moesim::compute
