// What holds for every kernel model, on every GPU, over random shapes.
#include <gtest/gtest.h>
#include <cmath>

#include "compute/kernels/kernel_model.h"
#include "compute/layers/inventory.h"
#include "core/random.h"
#include "law/compute/sparse_kernels.h"
#include "spec/catalogue.h"
#include "support/rounds.h"

namespace moesim::compute {
namespace {
using Rows = std::vector<std::int64_t>;

std::int64_t log_uniform(Random& random, double low, double high) {
  return std::int64_t(std::exp(std::log(low) + random.uniform() * std::log(high / low)));
}

constexpr double kRounding = 2e-12;  // times are whole picoseconds, rounded up

spec::Dtype any_dtype(Random& random) { return random.below(2) ? spec::Dtype::bf16 : spec::Dtype::fp8; }
/// Part of n, at least 1 and less than n; every second one whole tiles.
std::int64_t any_cut(Random& random, std::int64_t n) {
  const std::int64_t part = 1 + std::int64_t(random.below(std::uint64_t(n - 1)));
  return random.below(2) && part > 128 ? part / 128 * 128 : part;
}

/// New tokens and kept context of each sequence.
using Sequences = std::vector<std::pair<std::int64_t, std::int64_t>>;
Sequences any_sequences(Random& random, std::int64_t fewest) {
  Sequences out(std::size_t(log_uniform(random, double(fewest), 129)));
  const std::int64_t same = random.below(2) ? log_uniform(random, 1, 16384) : 0;
  for (auto& [queries, context] : out)
    queries = same > 0 ? same : log_uniform(random, 1, 16384),
    context = random.below(2) ? log_uniform(random, 1, 8192) : 0;
  return out;
}
AttentionWork work_of(const Sequences& sequences) {
  Batch batch;
  for (const auto& [queries, context] : sequences) add_prefill(batch, spec::KeysRead{}, queries, context);
  return batch.prefill;
}
AttentionWork window_work_of(const Sequences& sequences) {
  Batch batch;
  for (const auto& [queries, context] : sequences)
    add_prefill(batch, {spec::KeysRead::Span::sliding, 1024}, queries, context);
  return batch.window_prefill;
}
constexpr AttentionHeads kGrouped{spec::AttentionKind::gqa, 32, 8, 128, 128, false};
AttentionHeads latent(Random& random) {
  return {spec::AttentionKind::mla, int(log_uniform(random, 8, 129)), 1, 576, 512, true};
}
AttentionHeads any_heads(Random& random) {
  return random.below(2) ? kGrouped : AttentionHeads{spec::AttentionKind::mla, 128, 128, 192, 128, false};
}

/// A random kernel of any kind; `rows` keeps a grouped product's rows.
Kernel random_kernel(Random& random, Rows& rows) {
  const auto size = [&](double low, double high) { return log_uniform(random, low, high); };
  const spec::Dtype dtype = any_dtype(random);
  const std::int64_t n = size(1, 64), tokens = size(1, 8192);
  const AttentionHeads heads{spec::AttentionKind::gqa, 32, 8, 128, 128, false};
  const AttentionWork prompt{n, n * tokens, n * tokens, tokens, double(n) * double(tokens * tokens) / 2};
  switch (random.below(8)) {
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
      return AttentionDecode{{spec::AttentionKind::mla, 128, 1, 576, 512, true},
                             {n, n, n * tokens, tokens, double(n * tokens)},
                             spec::Dtype::bf16,
                             dtype};
    case 6:
      return test::random_sparse_kernel(random, n, tokens);
    default:
      return MemoryOp{MemoryKind(random.below(14)), {size(1, 1e10)}};
  }
}

struct Case {
  std::string kind, gpu;
};
class EveryKernelModel : public testing::TestWithParam<Case> {
 protected:
  spec::Gpu gpu = spec::load_gpu(GetParam().gpu);
  std::unique_ptr<KernelModel> model =
      kernel_models().make(Config::from_text("{kind: " + GetParam().kind + "}", "test"), gpu);
  double time(const Kernel& k, GpuShare share = {}) const { return seconds(model->cost(k, share).time); }
};

TEST_P(EveryKernelModel, NeverBeatsTheDataSheet) {
  Random random(1, "data sheet");
  Rows rows;
  for (int i = 0; i < test::rounds(2000); ++i) {
    const Kernel kernel = random_kernel(random, rows);
    const GpuShare share{int(1 + random.below(std::uint64_t(gpu.sms))), 0.1 + 0.9 * random.uniform()};
    const double peak = (test::in_fp8(kernel) ? gpu.fp8.v : gpu.bf16.v) * share.sms / gpu.sms;
    const double t = time(kernel, share);
    EXPECT_GE(t * peak, flops_of(kernel).v * (1 - 1e-12)) << describe(kernel);
    EXPECT_GE(t * gpu.memory_bandwidth.v * share.memory, double(bytes_of(kernel).v) * (1 - 1e-12)) << describe(kernel);
    if (GetParam().kind == "calibrated") {  // of its own, not only held to it
      EXPECT_GT(model->cost(kernel, share).time, model->bound(kernel, share)) << describe(kernel);
    }
  }
}

TEST_P(EveryKernelModel, MoreSmsOrBandwidthAreNeverSlower) {
  Random random(2, "more");
  Rows rows;
  for (int i = 0; i < test::rounds(2000); ++i) {
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
  for (int i = 0; i < test::rounds(500); ++i) {
    GroupedGemm g;
    g.n = log_uniform(random, 64, 1e4), g.k = log_uniform(random, 64, 1e4), g.dtype = spec::Dtype::bf16;
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
  for (int i = 0; i < test::rounds(2000); ++i) {
    const Gemm g{.m = log_uniform(random, 1, 1e5),
                 .n = log_uniform(random, 8, 4e4),
                 .k = log_uniform(random, 8, 2e4),
                 .dtype = any_dtype(random),
                 .fp32_accumulate = random.below(4) == 0,
                 .batch = 1 + std::int64_t(random.below(3)),
                 .scales = random.below(2) ? Scales::blocks : Scales::tokens};
    Gemm larger = g;
    std::int64_t& grown = i % 3 == 0 ? larger.m : i % 3 == 1 ? larger.n : larger.k;
    grown += log_uniform(random, 1, 1e4);
    EXPECT_GE(time(larger), time(g)) << describe(g) << " against " << describe(larger);
  }
}

TEST_P(EveryKernelModel, MoreWorkOfAnyOtherKindIsNeverFaster) {
  Random random(8, "larger");
  for (int i = 0; i < test::rounds(1000); ++i) {
    const Sequences s = any_sequences(random, 2);
    Sequences longer = s;
    auto& [queries, context] = longer[std::size_t(random.below(longer.size()))];
    (random.below(2) ? queries : context) += log_uniform(random, 1, 5000);
    const AttentionHeads heads = any_heads(random);
    EXPECT_GE(time(AttentionPrefill{heads, work_of(longer)}), time(AttentionPrefill{heads, work_of(s)}));
    EXPECT_GE(time(AttentionBackward{heads, work_of(longer)}), time(AttentionBackward{heads, work_of(s)}));
    Sequences one = s, further;
    for (auto& [q, c] : one) q = 1;
    further = one;
    further[0].second += log_uniform(random, 1, 5000);
    for (const AttentionHeads& of : {latent(random), kGrouped}) {
      const spec::Dtype cache = any_dtype(random);
      EXPECT_GE(time(AttentionDecode{of, work_of(further), spec::Dtype::bf16, cache}),
                time(AttentionDecode{of, work_of(one), spec::Dtype::bf16, cache}));
    }
    const MemoryOp move{MemoryKind(random.below(14)), {log_uniform(random, 1, 1e9)}};
    EXPECT_GE(time(MemoryOp{move.kind, move.bytes + Bytes{log_uniform(random, 1, 1e8)}}), time(move));
    EXPECT_GE(time(SmallChain{i + 2, i % 2 == 0}), time(SmallChain{i + 1, i % 2 == 0}));
  }
}

// No cut of a batch, however uneven, is faster than the whole.
TEST_P(EveryKernelModel, CuttingTheRowsOfAProductGainsNothing) {
  Random random(4, "cut");
  for (int i = 0; i < test::rounds(4000); ++i) {
    Gemm whole{.m = log_uniform(random, 2, 1e5),
               .n = log_uniform(random, 8, 4e4),
               .k = log_uniform(random, 8, 2e4),
               .dtype = any_dtype(random),
               .batch = random.below(4) ? 1 : log_uniform(random, 1, 128),
               .scales = random.below(2) ? Scales::blocks : Scales::tokens};
    whole.fp32_accumulate = random.below(4) == 0;  // a weight gradient's rows are its K
    Gemm first = whole, second = whole;
    const auto rows = [](Gemm& g) -> std::int64_t& { return g.fp32_accumulate ? g.k : g.m; };
    rows(first) = any_cut(random, rows(whole));
    rows(second) = rows(whole) - rows(first);
    EXPECT_GE(time(first) + time(second), time(whole) - kRounding) << describe(first) << " and " << describe(second);
  }
}

TEST_P(EveryKernelModel, CuttingTheRowsOfExpertsGainsNothing) {
  Random random(9, "cut");
  for (int i = 0; i < test::rounds(2000); ++i) {
    Rows rows{2}, first{1}, second{1};
    for (std::int64_t expert = 0, count = log_uniform(random, 1, 65); expert < count; ++expert) {
      rows.push_back(random.below(4) ? log_uniform(random, 1, 5000) : 0);
      first.push_back(std::int64_t(random.below(std::uint64_t(rows.back() + 1))));
      second.push_back(rows.back() - first.back());
    }
    GroupedGemm g;
    g.n = log_uniform(random, 64, 1e4), g.k = log_uniform(random, 64, 1e4), g.dtype = any_dtype(random);
    g.layout = random.below(2) ? GroupLayout::masked : GroupLayout::contiguous;
    g.weight_gradient = random.below(3) == 0;
    const auto of = [&](const Rows& r) {
      g.rows = r;
      return time(g);
    };
    const double parts = of(first) + of(second);
    EXPECT_GE(parts, of(rows) - kRounding) << describe(g);
  }
}

TEST_P(EveryKernelModel, CuttingABatchOfSequencesGainsNothing) {
  Random random(10, "cut");
  for (int i = 0; i < test::rounds(1000); ++i) {
    const Sequences whole = any_sequences(random, 2);
    const std::size_t cut = 1 + random.below(whole.size() - 1);
    const Sequences parts[] = {{whole.begin(), whole.begin() + std::ptrdiff_t(cut)},
                               {whole.begin() + std::ptrdiff_t(cut), whole.end()}};
    const AttentionHeads heads = any_heads(random), absorbed = latent(random);
    const auto holds = [&](auto kernel_of) {
      const double apart = time(kernel_of(parts[0])) + time(kernel_of(parts[1]));
      EXPECT_GE(apart, time(kernel_of(whole)) - kRounding) << describe(kernel_of(whole)) << " at " << cut;
    };
    holds([&](const Sequences& s) { return AttentionPrefill{heads, work_of(s)}; });
    holds([&](const Sequences& s) { return AttentionPrefill{heads, window_work_of(s)}; });
    holds([&](const Sequences& s) { return AttentionPrefill{heads, work_of(s), spec::Dtype::fp8}; });
    holds([&](const Sequences& s) { return AttentionBackward{heads, work_of(s)}; });
    holds([&](Sequences s) {
      for (auto& [queries, context] : s) queries = 1;
      return AttentionDecode{absorbed, work_of(s)};
    });
    holds([&](Sequences s) {
      for (auto& [queries, context] : s) queries = 1;
      return AttentionDecode{kGrouped, work_of(s), spec::Dtype::bf16, spec::Dtype::fp8};
    });
    const MemoryOp move{MemoryKind(random.below(14)), {log_uniform(random, 2, 1e9)}};
    const Bytes some{any_cut(random, move.bytes.v)};
    EXPECT_GE(time(MemoryOp{move.kind, some}) + time(MemoryOp{move.kind, move.bytes - some}), time(move) - kRounding);
  }
}

TEST_P(EveryKernelModel, SameQuestionSameAnswerFromTheCache) {
  Random random(5, "cache");
  KernelCosts costs(*model, 64);  // small: it starts afresh often
  Rows rows;
  for (int i = 0; i < test::rounds(1000); ++i) {
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
  for (int i = 0; i < test::rounds(500); ++i) {
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
}  // namespace moesim::compute
