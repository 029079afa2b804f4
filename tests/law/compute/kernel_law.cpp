// What holds for every kernel model, on every GPU, over random shapes.
#include <gtest/gtest.h>

#include <cmath>

#include "compute/kernel_model.h"
#include "core/random.h"
#include "spec/catalogue.h"

namespace moesim {
namespace {
using Rows = std::vector<std::int64_t>;

std::int64_t log_uniform(Random& random, double low, double high) {
  return std::int64_t(std::exp(std::log(low) + random.uniform() * std::log(high / low)));
}

/// A random kernel of any kind; `rows` keeps a grouped product's rows.
Kernel random_kernel(Random& random, Rows& rows) {
  const auto size = [&](double low, double high) { return log_uniform(random, low, high); };
  const Dtype dtype = random.below(2) ? Dtype::bf16 : Dtype::fp8;
  const std::int64_t n = size(1, 64), tokens = size(1, 8192);
  const AttentionHeads heads{AttentionKind::gqa, 32, 8, 128, 128, false};
  const AttentionWork prompt{n, n * tokens, n * tokens, tokens, double(n) * double(tokens * tokens) / 2};
  switch (random.below(7)) {
    case 0:
      return Gemm{.m = size(1, 1e5), .n = size(8, 4e4), .k = size(8, 2e4), .dtype = dtype};
    case 1:
      return Gemm{.m = size(8, 1e4), .n = size(8, 1e4), .k = size(8, 1e4), .dtype = dtype, .fp32_accumulate = true};
    case 2: {
      rows.clear();
      for (std::int64_t i = 0, count = size(1, 65); i < count; ++i) rows.push_back(random.below(3) ? size(1, 5000) : 0);
      rows.push_back(1);
      GroupedGemm g;
      g.rows = rows, g.n = size(64, 1e4), g.k = size(64, 1e4), g.dtype = dtype;
      g.layout = random.below(2) ? GroupLayout::masked : GroupLayout::contiguous;
      return g;
    }
    case 3:
      return AttentionPrefill{heads, prompt};
    case 4:
      return AttentionBackward{heads, prompt};
    case 5:
      return AttentionDecode{{AttentionKind::mla, 128, 1, 576, 512, true},
                             {n, n, n * tokens, tokens, double(n * tokens)},
                             Dtype::bf16,
                             dtype};
    default:
      return MemoryOp{MemoryKind(random.below(14)), {size(1, 1e10)}};
  }
}

struct Case {
  std::string kind, gpu;
};
class EveryKernelModel : public testing::TestWithParam<Case> {
 protected:
  Gpu gpu = load_gpu(GetParam().gpu);
  std::unique_ptr<KernelModel> model =
      kernel_models().make(Config::from_text("{kind: " + GetParam().kind + "}", "test"), gpu);
  double time(const Kernel& k, GpuShare share = {}) const { return seconds(model->cost(k, share).time); }
};

TEST_P(EveryKernelModel, NeverBeatsTheDataSheet) {
  Random random(1, "data sheet");
  Rows rows;
  for (int i = 0; i < 2000; ++i) {
    const Kernel kernel = random_kernel(random, rows);
    const GpuShare share{int(1 + random.below(std::uint64_t(gpu.sms))), 0.1 + 0.9 * random.uniform()};
    const double peak =
        (describe(kernel).find("fp8") != std::string::npos && std::get_if<AttentionDecode>(&kernel) == nullptr
             ? gpu.fp8.v
             : gpu.bf16.v) *
        share.sms / gpu.sms;
    const double t = time(kernel, share);
    EXPECT_GE(t * peak, flops_of(kernel).v * (1 - 1e-12)) << describe(kernel);
    EXPECT_GE(t * gpu.memory_bandwidth.v * share.memory, double(bytes_of(kernel).v) * (1 - 1e-12)) << describe(kernel);
  }
}

TEST_P(EveryKernelModel, MoreSmsOrBandwidthAreNeverSlower) {
  Random random(2, "more");
  Rows rows;
  for (int i = 0; i < 2000; ++i) {
    const Kernel kernel = random_kernel(random, rows);
    const int few = int(1 + random.below(std::uint64_t(gpu.sms))),
              more = few + int(random.below(std::uint64_t(gpu.sms - few + 1)));
    const double less = 0.05 + 0.9 * random.uniform();
    EXPECT_LE(time(kernel, {more, 1}), time(kernel, {few, 1})) << describe(kernel) << " on " << more << " and " << few;
    EXPECT_LE(time(kernel, {few, 1}), time(kernel, {few, less})) << describe(kernel);
  }
}

TEST_P(EveryKernelModel, OnlyActualRowsOfExpertsCost) {
  Random random(7, "experts");
  for (int i = 0; i < 500; ++i) {
    GroupedGemm g;
    g.n = log_uniform(random, 64, 1e4), g.k = log_uniform(random, 64, 1e4), g.dtype = Dtype::bf16;
    const std::int64_t each = log_uniform(random, 1, 4000), experts = 1 + std::int64_t(random.below(32));
    const Rows even(std::size_t(experts), each);
    Rows with_empty = even, fuller = even;
    with_empty.push_back(0);
    ++fuller[0];
    g.rows = even;
    const double base = time(g);
    g.rows = with_empty;
    EXPECT_EQ(time(g), base);
    g.rows = fuller;
    EXPECT_GE(time(g), base);
  }
}

TEST_P(EveryKernelModel, LargerProductsAreNeverFaster) {
  Random random(3, "larger");
  for (int i = 0; i < 2000; ++i) {
    const Gemm g{.m = log_uniform(random, 1, 1e5), .n = log_uniform(random, 8, 4e4), .k = log_uniform(random, 8, 2e4)};
    Gemm larger = g;
    std::int64_t& grown = i % 3 == 0 ? larger.m : i % 3 == 1 ? larger.n : larger.k;
    grown += log_uniform(random, 1, 1e4);
    EXPECT_GE(time(larger), time(g)) << describe(g) << " against " << describe(larger);
  }
}

// Equal parts choose the same tiles as the whole could, so nothing is gained by cutting a batch.
TEST_P(EveryKernelModel, CuttingABatchIntoEqualPartsGainsNothing) {
  Random random(4, "cut");
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t parts = 2 + std::int64_t(random.below(3)), part = log_uniform(random, 1, 4e4);
    Gemm g{.m = part, .n = log_uniform(random, 8, 4e4), .k = log_uniform(random, 8, 2e4)};
    const double of_part = time(g);
    g.m = part * parts;
    EXPECT_GE(of_part * double(parts), time(g) * (1 - 1e-9)) << describe(g) << " in " << parts;

    const std::int64_t n = 1 + std::int64_t(random.below(64)), tokens = log_uniform(random, 1, 8192);
    const AttentionHeads heads{AttentionKind::gqa, 32, 8, 128, 128, false};
    const auto prompts = [&](std::int64_t count) {
      return AttentionPrefill{
          heads, {count, count * tokens, count * tokens, tokens, double(count) * double(tokens * tokens) / 2}};
    };
    EXPECT_GE(time(prompts(n)) * double(parts), time(prompts(n * parts)) * (1 - 1e-9)) << describe(prompts(n));
    const MemoryOp move{MemoryKind::cast, {log_uniform(random, 1, 1e9)}}, all{move.kind, move.bytes * parts};
    EXPECT_GE(time(move) * double(parts), time(all) * (1 - 1e-9));
  }
}

// Unequal parts may choose different tiles.  What that gains is a part of the whole's last, partly empty wave, as on a
// real GPU: sim/compute/README.md gives the measured rows.
TEST_P(EveryKernelModel, CuttingABatchUnequallyGainsLessThanAWave) {
  Random random(4, "cut");
  for (int i = 0; i < 2000; ++i) {
    const Gemm whole{
        .m = log_uniform(random, 2, 1e5), .n = log_uniform(random, 8, 4e4), .k = log_uniform(random, 8, 2e4)};
    Gemm first = whole, second = whole, wave = whole;
    first.m = 1 + std::int64_t(random.below(std::uint64_t(whole.m - 1)));
    second.m = whole.m - first.m;
    wave.m = 128 * gpu.sms, wave.n = 128;
    EXPECT_GE(time(first) + time(second) + time(wave), time(whole)) << describe(first) << " and " << describe(second);
  }
}

TEST_P(EveryKernelModel, SameQuestionSameAnswerFromTheCache) {
  Random random(5, "cache");
  KernelCosts costs(*model, 64);  // small: it starts afresh often
  Rows rows;
  for (int i = 0; i < 1000; ++i) {
    const Kernel kernel = random_kernel(random, rows);
    const Cost asked = model->cost(kernel);
    EXPECT_EQ(costs.cost(kernel).time, asked.time);
    EXPECT_EQ(costs.cost(kernel).time, asked.time);
    EXPECT_EQ(costs.cost(kernel).from.origin, asked.from.origin);
  }
  const KernelCosts::Summary s = costs.summary();
  EXPECT_NEAR(s.share[0] + s.share[1] + s.share[2] + s.share[3], 1, 1e-9);
}

TEST_P(EveryKernelModel, TwoKernelsSideBySideShareTheBandwidth) {
  Random random(6, "together");
  Rows rows, other;
  for (int i = 0; i < 500; ++i) {
    const Kernel a = random_kernel(random, rows), b = random_kernel(random, other);
    const int sms = gpu.sms / 2;
    const TogetherCost both = cost_together(*model, a, sms, b, gpu.sms - sms);
    EXPECT_LE(both.first_share + both.second_share, 1 + 1e-9);
    EXPECT_GE(both.first.time, model->cost(a, {sms, 1}).time) << describe(a) << " beside " << describe(b);
    EXPECT_GE(both.second.time, model->cost(b, {gpu.sms - sms, 1}).time);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryKernelModel,
                         testing::Values(Case{"calibrated", "h800"}, Case{"roofline", "h800"},
                                         Case{"calibrated", "h20"}, Case{"calibrated", "b200"}),
                         [](const auto& c) { return c.param.kind + "_" + c.param.gpu; });
}  // namespace
}  // namespace moesim
