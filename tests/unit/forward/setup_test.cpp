#include "forward/setup.h"

#include <gtest/gtest.h>

#include "forward/precision.h"
#include "spec/catalogue.h"

namespace moesim {
namespace {

struct Release {
  const char *model, *gpu;
  std::optional<StepPhase> phase;
  Precisions expected;
};

TEST(Precision, IsAsReleasedWhereTheGpuHasItElseBf16) {
  const Precisions bf16, fp8{.linear = Dtype::fp8}, fp4{.experts = Dtype::fp4};
  const Precisions widened{.experts = Dtype::bf16, .expert_weights = Dtype::fp4};
  const Release releases[] = {{"deepseek-v3", "h800", StepPhase::prefill, fp8},
                              {"deepseek-v3", "h800", StepPhase::training, fp8},
                              {"deepseek-v3", "h800", {}, fp8},
                              {"deepseek-v3", "a100", StepPhase::decode, bf16},
                              {"deepseek-v3", "a100", StepPhase::training, bf16},
                              {"deepseek-v2", "h800", StepPhase::decode, bf16},
                              {"llama-2-70b", "h100", StepPhase::prefill, bf16},  // FP16 has BF16's kernels
                              {"gpt-oss-120b", "h100", StepPhase::decode, widened},
                              {"gpt-oss-120b", "a100", {}, widened},
                              {"gpt-oss-120b", "b200", StepPhase::decode, fp4},
                              {"gpt-oss-120b", "b200", StepPhase::training, bf16},
                              {"gpt-oss-120b", "h100", StepPhase::training, bf16}};
  for (const Release& r : releases)
    EXPECT_EQ(released_precision(load_model(r.model), load_gpu(r.gpu), r.phase), r.expected)
        << r.model << " on " << r.gpu;
}

TEST(Precision, WhatIsAskedGoesFirstAndExpertsFollowLinearLayers) {
  const Gpu h100 = load_gpu("h100"), b200 = load_gpu("b200");
  const auto of = [](const char* model, const Gpu& gpu, const AskedPrecision& asked) {
    return choose_precision(asked, load_model(model), gpu, StepPhase::decode, Unsaid::as_released).formats;
  };
  EXPECT_EQ(of("deepseek-v3", h100, {.linear = Dtype::bf16}), Precisions{});
  EXPECT_EQ(of("deepseek-v3", h100, {.kv_cache = Dtype::fp8}),
            (Precisions{.linear = Dtype::fp8, .kv_cache = Dtype::fp8}));
  EXPECT_EQ(of("gpt-oss-120b", b200, {.linear = Dtype::fp8}), Precisions{.linear = Dtype::fp8});
  // Weights that the GPU cannot multiply stay as stored, whatever they are widened to.
  EXPECT_EQ(of("gpt-oss-120b", h100, {.linear = Dtype::fp8}),
            (Precisions{.linear = Dtype::fp8, .expert_weights = Dtype::fp4}));
  EXPECT_EQ(of("gpt-oss-120b", h100, {.linear = Dtype::bf16, .expert_weights = Dtype::bf16}),
            Precisions{.expert_weights = Dtype::bf16});
}

TEST(Precision, SaysWhatItIsAndWhy) {
  const auto said = [](const char* model, const char* gpu, std::optional<StepPhase> phase,
                       const AskedPrecision& asked) {
    const ChosenPrecision chosen =
        choose_precision(asked, load_model(model), load_gpu(gpu), phase, Unsaid::as_released);
    return formats_text(chosen.formats) + " (" + chosen.reason + ")";
  };
  EXPECT_EQ(said("deepseek-v3", "h800", {}, {}), "fp8 (as released)");
  EXPECT_EQ(said("deepseek-v3", "a100", {}, {}), "bf16 (released in fp8, which a100 lacks)");
  EXPECT_EQ(said("deepseek-v3", "h800", {}, {.linear = Dtype::bf16}), "bf16 (as asked)");
  EXPECT_EQ(said("deepseek-v3", "h800", {}, {.kv_cache = Dtype::fp8}),
            "fp8, cache fp8 (as released; kv_cache as asked)");
  EXPECT_EQ(said("llama-2-70b", "h100", {}, {}), "bf16 (released in fp16)");
  EXPECT_EQ(said("gpt-oss-120b", "b200", {}, {}), "bf16, experts fp4 (as released)");
  EXPECT_EQ(said("gpt-oss-120b", "h100", {}, {}),
            "bf16, expert weights fp4 (released in fp4, which h100 lacks: widened as it is read)");
  EXPECT_EQ(said("gpt-oss-120b", "b200", StepPhase::training, {}),
            "bf16 (released in fp4, which is made after training)");
}

TEST(Precision, IsRefusedWhereTheGpuLacksIt) {
  const Config config = Config::from_text("{precision: {linear: bf16, experts: fp8}}", "s.yaml");
  const Precisions precision{.experts = Dtype::fp8};
  EXPECT_NO_THROW(check_precision(config, precision, load_gpu("h800")));
  try {
    check_precision(config, precision, load_gpu("a100"));
    FAIL() << "FP8 on an A100";
  } catch (const ConfigError& e) {
    EXPECT_STREQ(e.what(), "s.yaml:1:37: precision.experts: a100 has no fp8 arithmetic");
  }
}

class Setup : public testing::Test {
 protected:
  StepQuestion question(std::optional<StepPhase> phase) {
    return {.model = model_, .gpu = gpu_, .phase = phase, .precision = {{.linear = Dtype::fp8}, ""}};
  }
  const Model model_ = load_model("deepseek-v3");
  const Gpu gpu_ = load_gpu("h800");
};

TEST_F(Setup, DecodingIsReplayedMaskedAndExchangesOverAdapters) {
  const StepSetup s = set_up(question(StepPhase::decode));
  EXPECT_TRUE(s.options.graphs);
  EXPECT_EQ(s.options.layout, GroupLayout::masked);
  EXPECT_FALSE(s.any_layout);
  EXPECT_EQ(s.dispatch.kernel, ExchangeKernel::low_latency);
  EXPECT_EQ(s.combine.kernel, ExchangeKernel::low_latency);
}

TEST_F(Setup, EverythingElseLaunchesContiguousRowsAndExchangesWithSms) {
  for (const std::optional<StepPhase> phase :
       {std::optional(StepPhase::prefill), std::optional(StepPhase::training), {}}) {
    const StepSetup s = set_up(question(phase));
    EXPECT_FALSE(s.options.graphs);
    EXPECT_EQ(s.options.layout, GroupLayout::contiguous);
    EXPECT_EQ(s.options.training, phase == StepPhase::training);
    EXPECT_EQ(s.any_layout, !phase);
    EXPECT_EQ(s.dispatch.kernel, ExchangeKernel::normal);
  }
}

TEST_F(Setup, RowsGoOutAsTheExpertsComputeAndComeBackInBf16) {
  StepQuestion q = question(StepPhase::prefill);
  EXPECT_EQ(set_up(q).dispatch.row, fp8_row(7168));
  EXPECT_EQ(set_up(q).combine.row, bf16_row(7168));
  q.precision.formats.experts = Dtype::bf16;
  EXPECT_EQ(set_up(q).dispatch.row, bf16_row(7168));
  q.precision.formats = {.experts = Dtype::fp4};  // no exchange sends FP4
  EXPECT_EQ(set_up(q).dispatch.row, bf16_row(7168));
}

TEST_F(Setup, OnlyANormalExchangeThatOverlapsTakesSms) {
  StepQuestion q = question(StepPhase::prefill);
  q.exchange_sms = 24;
  EXPECT_EQ(set_up(q).beside, GpuShare{});
  q.overlapped = true;
  EXPECT_EQ(set_up(q).beside.sms, 132 - 24);
  q.exchange = ExchangeKernel::low_latency;
  EXPECT_EQ(set_up(q).beside, GpuShare{});
}

TEST_F(Setup, WhatTheScenarioSaysGoesFirst) {
  StepQuestion q = question(StepPhase::decode);
  q.graphs = false;
  q.exchange = ExchangeKernel::normal;
  EXPECT_FALSE(set_up(q).options.graphs);
  EXPECT_EQ(set_up(q).dispatch.kernel, ExchangeKernel::normal);
}

TEST_F(Setup, ATensorGroupSharesTokensUnlessEachHasThemAll) {
  StepQuestion q = question(StepPhase::decode);
  EXPECT_FALSE(set_up(q).options.sequence_parallel);
  q.tensor = 4;
  EXPECT_TRUE(set_up(q).options.sequence_parallel);
  q.whole_tokens = true;
  q.expert_tensor = 4;
  EXPECT_FALSE(set_up(q).options.sequence_parallel);
  EXPECT_EQ(set_up(q).options.expert_tensor, 4);
}
}  // namespace
}  // namespace moesim
