#include "forward/setup.h"

#include <gtest/gtest.h>

#include "forward/precision.h"
#include "spec/catalogue.h"
#include "support/refusal.h"

namespace moesim::forward {
namespace {

struct Release {
  const char *model, *gpu;
  std::optional<compute::StepPhase> phase;
  compute::Precisions expected;
};

TEST(Precision, IsAsReleasedWhereTheGpuHasItElseBf16) {
  const compute::Precisions bf16, fp8{.linear = spec::Dtype::fp8}, fp4{.experts = spec::Dtype::fp4};
  const compute::Precisions widened{.experts = spec::Dtype::bf16, .expert_weights = spec::Dtype::fp4};
  const Release releases[] = {{"deepseek-v3", "h800", compute::StepPhase::prefill, fp8},
                              {"deepseek-v3", "h800", compute::StepPhase::training, fp8},
                              {"deepseek-v3", "h800", {}, fp8},
                              {"deepseek-v3", "a100", compute::StepPhase::decode, bf16},
                              {"deepseek-v3", "a100", compute::StepPhase::training, bf16},
                              {"deepseek-v2", "h800", compute::StepPhase::decode, bf16},
                              {"llama-2-70b", "h100", compute::StepPhase::prefill, bf16},  // FP16 has BF16's kernels
                              {"gpt-oss-120b", "h100", compute::StepPhase::decode, widened},
                              {"gpt-oss-120b", "a100", {}, widened},
                              {"gpt-oss-120b", "b200", compute::StepPhase::decode, fp4},
                              {"gpt-oss-120b", "b200", compute::StepPhase::training, bf16},
                              {"gpt-oss-120b", "h100", compute::StepPhase::training, bf16}};
  for (const Release& r : releases)
    EXPECT_EQ(released_precision(spec::load_model(r.model), spec::load_gpu(r.gpu), r.phase), r.expected)
        << r.model << " on " << r.gpu;
}

TEST(Precision, WhatIsAskedGoesFirstAndExpertsFollowLinearLayers) {
  const spec::Gpu h100 = spec::load_gpu("h100"), b200 = spec::load_gpu("b200");
  const auto of = [](const char* model, const spec::Gpu& gpu, const AskedPrecision& asked) {
    return choose_precision(asked, spec::load_model(model), gpu, compute::StepPhase::decode).formats;
  };
  EXPECT_EQ(of("deepseek-v3", h100, {.linear = spec::Dtype::bf16}), compute::Precisions{});
  EXPECT_EQ(of("deepseek-v3", h100, {.kv_cache = spec::Dtype::fp8}),
            (compute::Precisions{.linear = spec::Dtype::fp8, .kv_cache = spec::Dtype::fp8}));
  EXPECT_EQ(of("gpt-oss-120b", b200, {.linear = spec::Dtype::fp8}), compute::Precisions{.linear = spec::Dtype::fp8});
  // Weights that the GPU cannot multiply stay as stored, whatever they are widened to.
  EXPECT_EQ(of("gpt-oss-120b", h100, {.linear = spec::Dtype::fp8}),
            (compute::Precisions{.linear = spec::Dtype::fp8, .expert_weights = spec::Dtype::fp4}));
  EXPECT_EQ(of("gpt-oss-120b", h100, {.linear = spec::Dtype::bf16, .expert_weights = spec::Dtype::bf16}),
            compute::Precisions{.expert_weights = spec::Dtype::bf16});
}

TEST(Precision, SaysWhatItIsAndWhy) {
  const auto said = [](const char* model, const char* gpu, std::optional<compute::StepPhase> phase,
                       const AskedPrecision& asked) {
    const ChosenPrecision chosen = choose_precision(asked, spec::load_model(model), spec::load_gpu(gpu), phase);
    return formats_text(chosen.formats) + " (" + chosen.reason + ")";
  };
  EXPECT_EQ(said("deepseek-v3", "h800", {}, {}), "fp8 (as released)");
  // Weights of projections are named where they are not as those of all products.
  EXPECT_EQ(
      formats_text(
          {.linear = spec::Dtype::bf16, .linear_weights = spec::Dtype::fp8, .projection_weights = spec::Dtype::fp8}),
      "bf16, weights fp8");
  EXPECT_EQ(formats_text({.linear = spec::Dtype::bf16, .linear_weights = spec::Dtype::fp8}), "bf16, weights fp8");
  EXPECT_EQ(formats_text({.linear = spec::Dtype::bf16, .projection_weights = spec::Dtype::fp8}),
            "bf16, projection weights fp8");
  EXPECT_EQ(said("deepseek-v3", "a100", {}, {}), "bf16 (released in fp8, which a100 lacks)");
  EXPECT_EQ(said("deepseek-v3", "h800", {}, {.linear = spec::Dtype::bf16}), "bf16 (as asked)");
  EXPECT_EQ(said("deepseek-v3", "h800", {}, {.kv_cache = spec::Dtype::fp8}),
            "fp8, cache fp8 (as released; kv_cache as asked)");
  EXPECT_EQ(said("llama-2-70b", "h100", {}, {}), "bf16 (released in fp16)");
  EXPECT_EQ(said("gpt-oss-120b", "b200", {}, {}), "bf16, experts fp4 (as released)");
  EXPECT_EQ(said("gpt-oss-120b", "h100", {}, {}),
            "bf16, expert weights fp4 (released in fp4, which h100 lacks: widened as it is read)");
  EXPECT_EQ(said("gpt-oss-120b", "h100", {}, {.linear = spec::Dtype::fp8}),
            "fp8, expert weights fp4 (as asked; expert_weights as released)");
  EXPECT_EQ(said("gpt-oss-120b", "b200", compute::StepPhase::training, {}),
            "bf16 (released in fp4, which is made after training)");
}

// What is stored narrower than it can be multiplied stays so in memory, each kind of projection by itself.
TEST(Precision, FollowsTheFormatOfEachKindOfProjection) {
  using spec::Dtype;
  spec::Model model = spec::load_model("deepseek-v3");
  model.attention_weights = Dtype::bf16;
  model.expert_weights = Dtype::nvfp4;
  const spec::Gpu h100 = spec::load_gpu("h100"), b200 = spec::load_gpu("b200"), a100 = spec::load_gpu("a100");
  const auto of = [&](const spec::Gpu& gpu, std::optional<compute::StepPhase> phase = {}) {
    return released_precision(model, gpu, phase);
  };
  const compute::Precisions on_b200{.linear = Dtype::fp8, .projections = Dtype::bf16, .experts = Dtype::nvfp4};
  EXPECT_EQ(of(b200), on_b200);
  const compute::Precisions on_h100{
      .linear = Dtype::fp8, .projections = Dtype::bf16, .experts = Dtype::bf16, .expert_weights = Dtype::nvfp4};
  EXPECT_EQ(of(h100), on_h100);
  EXPECT_EQ(of(b200, compute::StepPhase::training).of_experts(), Dtype::bf16);
  model.weights = Dtype::int4;
  model.attention_weights.reset();
  model.expert_weights.reset();
  const compute::Precisions integers{
      .linear_weights = Dtype::int4, .projection_weights = Dtype::int4, .expert_weights = Dtype::int4};
  EXPECT_EQ(of(a100), integers);
  EXPECT_EQ(choose_precision({}, model, a100, {}).reason, "released in int4, widened as it is read");
  EXPECT_EQ(choose_precision({.linear = Dtype::fp8, .projections = Dtype::bf16}, model, h100, {}).formats,
            (compute::Precisions{.linear = Dtype::fp8, .projections = Dtype::bf16, .expert_weights = Dtype::int4}));
}

TEST(Precision, IsRefusedWhereTheGpuLacksIt) {
  const Config config = Config::from_text("{precision: {linear: bf16, experts: fp8}}", "s.yaml");
  const compute::Precisions precision{.experts = spec::Dtype::fp8};
  EXPECT_NO_THROW(check_precision(config, precision, spec::load_gpu("h800")));
  try {
    check_precision(config, precision, spec::load_gpu("a100"));
    FAIL() << "FP8 on an A100";
  } catch (const ConfigError& e) {
    EXPECT_STREQ(e.what(), "s.yaml:1:37: precision.experts: a100 has no fp8 arithmetic");
  }
}

class Setup : public testing::Test {
 protected:
  StepQuestion question(std::optional<compute::StepPhase> phase) {
    return {.model = model_, .gpu = gpu_, .phase = phase, .precision = {{.linear = spec::Dtype::fp8}, ""}};
  }
  const spec::Model model_ = spec::load_model("deepseek-v3");
  const spec::Gpu gpu_ = spec::load_gpu("h800");
};

TEST_F(Setup, DecodingIsReplayedMaskedAndExchangesOverAdapters) {
  const StepSetup s = set_up(question(compute::StepPhase::decode));
  EXPECT_TRUE(s.options.graphs);
  EXPECT_EQ(s.options.layout, compute::GroupLayout::masked);
  EXPECT_FALSE(s.any_layout);
  EXPECT_EQ(s.dispatch.kernel, network::ExchangeKernel::deepep_low_latency);
  EXPECT_EQ(s.combine.kernel, network::ExchangeKernel::deepep_low_latency);
}

TEST_F(Setup, EverythingElseLaunchesContiguousRowsAndExchangesWithSms) {
  for (const std::optional<compute::StepPhase> phase :
       {std::optional(compute::StepPhase::prefill), std::optional(compute::StepPhase::training), {}}) {
    const StepSetup s = set_up(question(phase));
    EXPECT_FALSE(s.options.graphs);
    EXPECT_EQ(s.options.layout, compute::GroupLayout::contiguous);
    EXPECT_EQ(s.options.training, phase == compute::StepPhase::training);
    EXPECT_EQ(s.any_layout, !phase);
    EXPECT_EQ(s.dispatch.kernel, network::ExchangeKernel::deepep_normal);
  }
}

TEST_F(Setup, RowsGoOutAsTheExpertsComputeAndComeBackInBf16) {
  StepQuestion q = question(compute::StepPhase::prefill);
  EXPECT_EQ(set_up(q).dispatch.row, network::fp8_row(7168));
  EXPECT_EQ(set_up(q).combine.row, network::bf16_row(7168));
  q.precision.formats.experts = spec::Dtype::bf16;
  EXPECT_EQ(set_up(q).dispatch.row, network::bf16_row(7168));
  q.precision.formats = {.experts = spec::Dtype::fp4};  // no exchange sends FP4
  EXPECT_EQ(set_up(q).dispatch.row, network::bf16_row(7168));
}

TEST_F(Setup, OnlyANormalExchangeThatOverlapsTakesSms) {
  StepQuestion q = question(compute::StepPhase::prefill);
  q.exchange_sms = 24;
  EXPECT_EQ(set_up(q).beside, compute::GpuShare{});
  q.overlapped = true;
  EXPECT_EQ(set_up(q).beside.sms, 132 - 24);
  q.exchange.kernel = network::ExchangeKernel::deepep_low_latency;
  EXPECT_EQ(set_up(q).beside, compute::GpuShare{});
}

TEST_F(Setup, TheLibrarysExchangesSendBf16AndLeaveSortingToCompute) {
  for (const std::optional<compute::StepPhase> phase :
       {std::optional(compute::StepPhase::prefill), std::optional(compute::StepPhase::decode),
        std::optional(compute::StepPhase::training)}) {
    StepQuestion q = question(phase);
    q.exchange.kernel = network::ExchangeKernel::all_to_all;
    StepSetup s = set_up(q);
    EXPECT_EQ(s.dispatch.row, network::bf16_row(7168));
    EXPECT_TRUE(s.options.sends_rows);
    EXPECT_FALSE(s.options.local_rows);
    EXPECT_EQ(s.exchange_reason, "as asked");
    q.precision.formats.dispatch = spec::Dtype::fp8;
    EXPECT_EQ(set_up(q).dispatch.row, network::fp8_row(7168));
    q.exchange.kernel = network::ExchangeKernel::all_gather;
    s = set_up(q);
    EXPECT_FALSE(s.options.sends_rows);
    EXPECT_TRUE(s.options.local_rows);
    q.exchanges = false;  // nothing leaves the GPU
    s = set_up(q);
    EXPECT_FALSE(s.options.sends_rows || s.options.local_rows);
    EXPECT_EQ(s.exchange_reason, "");
  }
}

TEST_F(Setup, HybridSaysWhereItsRatesAreFrom) {
  StepQuestion q = question(compute::StepPhase::prefill);
  q.exchange.kernel = network::ExchangeKernel::hybrid;
  q.overlapped = true;
  EXPECT_EQ(set_up(q).dispatch.row, network::fp8_row(7168));
  EXPECT_EQ(set_up(q).beside.sms, 132 - 16);
  EXPECT_EQ(set_up(q).exchange_reason, "as asked, reaching what it does on GB200");
  q.exchange.kernel.reset();
  q.engines_exchange = network::ExchangeKernel::hybrid;
  EXPECT_EQ(set_up(q).exchange_reason, "the engine's, reaching what it does on GB200");
}

TEST(Precision, RowsTravelInFp8OnlyToExpertsThatComputeInIt) {
  const auto refusal = [](spec::Dtype dispatch, spec::Dtype experts) {
    const Config config = Config::from_text("{precision: {dispatch: fp8}}", "s.yaml");
    return test::refusal_of(
        [&] { check_precision(config, {.experts = experts, .dispatch = dispatch}, spec::load_gpu("h800")); });
  };
  EXPECT_EQ(refusal(spec::Dtype::fp8, spec::Dtype::fp8), "accepted");
  EXPECT_EQ(refusal(spec::Dtype::bf16, spec::Dtype::fp8), "accepted");
  EXPECT_EQ(refusal(spec::Dtype::fp8, spec::Dtype::bf16),
            "s.yaml:1:24: precision.dispatch: fp8 rows need experts that compute in fp8, not bf16");
}

TEST(Precision, IndexersNeedFp8) {
  const Config config = Config::from_text("model: deepseek-v3.2", "s.yaml");
  const auto refusal = [&](const char* model, const char* gpu) {
    return test::refusal_of([&] { check_indexer(config, spec::load_model(model), spec::load_gpu(gpu)); });
  };
  EXPECT_EQ(refusal("deepseek-v3.2", "h200"), "accepted");
  EXPECT_EQ(refusal("deepseek-v3", "a100"), "accepted");
  EXPECT_EQ(refusal("deepseek-v3.2", "a100"),
            "s.yaml:1:1: the indexers of deepseek-v3.2 score keys in fp8, for which a100 has no arithmetic");
}

TEST_F(Setup, WhatTheScenarioSaysGoesFirst) {
  StepQuestion q = question(compute::StepPhase::decode);
  q.graphs = false;
  q.exchange.kernel = network::ExchangeKernel::deepep_normal;
  EXPECT_FALSE(set_up(q).options.graphs);
  EXPECT_EQ(set_up(q).dispatch.kernel, network::ExchangeKernel::deepep_normal);
}

TEST_F(Setup, ATensorGroupSharesTokensUnlessEachHasThemAll) {
  StepQuestion q = question(compute::StepPhase::decode);
  EXPECT_FALSE(set_up(q).options.sequence_parallel);
  q.tensor = 4;
  EXPECT_TRUE(set_up(q).options.sequence_parallel);
  q.whole_tokens = true;
  q.expert_tensor = 4;
  EXPECT_FALSE(set_up(q).options.sequence_parallel);
  EXPECT_EQ(set_up(q).options.expert_tensor, 4);
}
}  // namespace
}  // namespace moesim::forward
