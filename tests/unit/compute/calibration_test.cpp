// The committed calibration against what it was fitted to, and against rates it was not fitted to.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "compute/fitting/calibrate.h"
#include "compute/layers/explain.h"
#include "spec/catalogue.h"
#include "support/places.h"
#include "support/temporary_folder.h"

namespace moesim::compute {
namespace {
std::unique_ptr<KernelModel> calibrated(const spec::Gpu& gpu, const char* more = "") {
  return kernel_models().make(Config::from_text("{kind: calibrated" + std::string(more) + "}", "test"), gpu);
}
/// TFLOP/s of a kernel.
double rate(const KernelModel& model, const Kernel& kernel, GpuShare share = {}) {
  return flops_of(kernel).v / seconds(model.cost(kernel, share).time) * 1e-12;
}
Gemm fp8(std::int64_t m, std::int64_t n, std::int64_t k) { return {.m = m, .n = n, .k = k, .dtype = spec::Dtype::fp8}; }

// DeepGEMM README, 2025-03, H800: TFLOP/s.  A real kernel also waits for the one before, so short ones may be slower.
TEST(Calibration, PublishedProductsOnH800) {
  const auto model = calibrated(spec::load_gpu("h800"), ", sustained: false");
  EXPECT_NEAR(rate(*model, fp8(4096, 7168, 16384)), 1426, 0.12 * 1426);
  EXPECT_NEAR(rate(*model, fp8(4096, 4096, 7168)), 1265, 0.05 * 1265);
  EXPECT_NEAR(rate(*model, fp8(4096, 32768, 512)), 751, 0.05 * 751);
  EXPECT_NEAR(rate(*model, fp8(64, 7168, 16384)), 336, 0.08 * 336);
}

// DeepSeek's published V3 training profile, 112 SMs: products 830-1100 TFLOP/s for large K, grouped ones 900-1100, FP32
// weight gradients 620-670, attention forward 556 (causal).  Only the weight gradients were used to fit.
TEST(Calibration, RatesOfTheV3TrainingProfile) {
  const auto model = calibrated(spec::load_gpu("h800"));
  const GpuShare share{112, 1};
  for (const Gemm& g : {fp8(4096, 7168, 16384), fp8(4096, 16384, 7168), fp8(4096, 4096, 7168)}) {
    EXPECT_GT(rate(*model, g, share), 830) << describe(g);
    EXPECT_LT(rate(*model, g, share), 1100) << describe(g);
  }
  const std::vector<std::int64_t> rows(4, 8192);
  GroupedGemm grouped;
  grouped.rows = rows, grouped.n = 4096, grouped.k = 7168, grouped.dtype = spec::Dtype::fp8;
  EXPECT_GT(rate(*model, grouped, share), 900);
  EXPECT_LT(rate(*model, grouped, share), 1100);
  const AttentionWork work{1, 4096, 4096, 4096, 4096.0 * 4096 / 2};
  const AttentionHeads heads{spec::AttentionKind::mla, 128, 128, 192, 128, false};
  EXPECT_NEAR(rate(*model, AttentionPrefill{heads, work}, share), 556, 0.06 * 556);
  Gemm gradient = fp8(7168, 16384, 4096);
  gradient.fp32_accumulate = true;
  EXPECT_NEAR(rate(*model, gradient, share), 645, 0.01 * 645);
}

// What slows FP8 weight gradients down is rescaling blocks; a BF16 one only writes wider results.
TEST(Calibration, WeightGradientsInBf16KeepTheRateOfTheirProduct) {
  const auto model = calibrated(spec::load_gpu("h100"));
  for (const spec::Dtype dtype : {spec::Dtype::bf16, spec::Dtype::fp8}) {
    const Gemm product{.m = 13312, .n = 16384, .k = 8192, .dtype = dtype};
    Gemm gradient = product;
    gradient.fp32_accumulate = true;
    const double ratio = rate(*model, gradient) / rate(*model, product);
    EXPECT_LT(ratio, dtype == spec::Dtype::bf16 ? 1 : 0.75);
    EXPECT_GT(ratio, dtype == spec::Dtype::bf16 ? 0.9 : 0.5);
  }
}

// Weights in 4 bits, by the same kernels: what is bound by reading them is faster, what is bound by arithmetic is not.
TEST(Calibration, NarrowWeightsAreReadFasterAndComputedAsBefore) {
  const auto model = make_kernel_model(Config::from_text("kernels: {kind: calibrated, experts: deep_gemm}", "test"),
                                       spec::load_gpu("h800"));
  const std::vector<std::int64_t> few(8, 4), many(8, 4096);
  for (const auto& rows : {few, many}) {
    GroupedGemm wide;
    wide.rows = rows, wide.n = 5760, wide.k = 2880;
    GroupedGemm narrow = wide;
    narrow.weights = spec::Dtype::fp4;
    EXPECT_EQ(flops_of(narrow).v, flops_of(wide).v);
    EXPECT_EQ(bytes_of(wide).v - bytes_of(narrow).v, 8 * 5760 * (2880 * 2 - 2880 / 32 * 17));
    const double ratio = model->cost(wide).time / model->cost(narrow).time;
    EXPECT_GE(ratio, rows[0] == 4 ? 1.5 : 1);
    EXPECT_LE(ratio, rows[0] == 4 ? 3.77 : 1.05);  // 16 bits over 4.25
  }
}

// FlashMLA README: up to 660 TFLOP/s when bound by arithmetic, up to 3000 GB/s when bound by memory.
TEST(Calibration, LatentDecodingStaysBelowItsPublishedBest) {
  const auto model = calibrated(spec::load_gpu("h800"));
  const auto decode = [](int heads) {
    return AttentionDecode{{spec::AttentionKind::mla, heads, 1, 576, 512, true},
                           {128, 128, 128 * 16384, 16384, 128.0 * 16384}};
  };
  EXPECT_LT(rate(*model, decode(128)), 660);
  EXPECT_GT(rate(*model, decode(128)), 400);
  const double bandwidth = double(bytes_of(decode(16)).v) / seconds(model->cost(decode(16)).time);
  EXPECT_LT(bandwidth, 3.05e12);
  EXPECT_GT(bandwidth, 2e12);
}

TEST(Calibration, OtherGenerationsBorrowAndSaySo) {
  const auto b200 = calibrated(spec::load_gpu("b200"));
  EXPECT_FALSE(b200->cost(fp8(4096, 4096, 7168)).from.borrowed);
  EXPECT_TRUE(b200->cost(MemoryOp{MemoryKind::norm, {10'000'000}}).from.borrowed);
  EXPECT_NE(b200->source().find("what was not measured on blackwell: efficiencies of hopper"), std::string::npos);
  spec::Gpu next = spec::load_gpu("b200");
  next.generation = "rubin";
  const auto other = calibrated(next, ", calibration: kernels-hopper");
  EXPECT_TRUE(other->cost(fp8(4096, 4096, 7168)).from.borrowed);
  EXPECT_NE(other->source().find("nothing measured on rubin: efficiencies of hopper"), std::string::npos);
  EXPECT_FALSE(calibrated(spec::load_gpu("h20"))->cost(fp8(4096, 4096, 7168)).from.borrowed);
}

TEST(Calibration, SaysHowFarOutsideTheFittedShapesAKernelIs) {
  const auto model = calibrated(spec::load_gpu("h800"));
  EXPECT_EQ(model->cost(fp8(4096, 4096, 7168)).from.origin, Origin::interpolated);
  const Cost wide = model->cost(fp8(4096, 4096, 65536));  // fitted up to K = 16384
  EXPECT_EQ(wide.from.origin, Origin::extrapolated);
  EXPECT_FLOAT_EQ(wide.from.beyond, 4);
  KernelCosts costs(*model);
  (void)costs.cost(fp8(4096, 4096, 65536));
  EXPECT_EQ(costs.summary().beyond_kernel, "gemm 4096 x 4096 x 65536 fp8");
  EXPECT_EQ(costs.summary().beyond_share, 1);
}

// Launches were measured where moves were, and are an equation of nothing elsewhere.
TEST(Calibration, SmallKernelsAreAsKnownAsTheMovesBesideThem) {
  EXPECT_EQ(calibrated(spec::load_gpu("h800"))->cost(SmallChain{3}).from.origin, Origin::interpolated);
  const auto ideal = kernel_models().make(Config::from_text("roofline", "test"), spec::load_gpu("h800"));
  EXPECT_EQ(ideal->cost(SmallChain{3}).from.origin, Origin::equation);
}

// A product four times outside its range for all of the run, and once a copy a hundred times outside: the product
// counts.
TEST(Calibration, NamesTheExtrapolationThatTakesTime) {
  const auto model = calibrated(spec::load_gpu("h800"));
  KernelCosts costs(*model);
  const MemoryOp tiny{MemoryKind::copy, {2}};
  ASSERT_GT(model->cost(tiny).from.beyond, 100);
  (void)costs.cost(tiny);
  EXPECT_EQ(costs.summary().beyond_kernel, describe(tiny));
  for (int i = 0; i < 1000; ++i) (void)costs.cost(fp8(4096, 4096, 65536));
  const KernelCosts::Summary s = costs.summary();
  EXPECT_EQ(s.beyond_kernel, "gemm 4096 x 4096 x 65536 fp8");
  EXPECT_EQ(s.beyond, 4);
  EXPECT_GT(s.beyond_share, 0.99);
}

// What no table holds says whose efficiencies it takes.
TEST(Calibration, SaysWhoseEfficienciesItTakes) {
  const auto model = calibrated(spec::load_gpu("h800"));
  const auto lender = [&](const Kernel& k) {
    const Provenance from = model->cost(k).from;
    EXPECT_EQ(from.origin == Origin::equation, from.lender != Lender::none) << describe(k);
    return from.lender;
  };
  EXPECT_EQ(lender(fp8(4096, 4096, 7168)), Lender::none);
  EXPECT_EQ(lender(Gemm{.m = 4096, .n = 4096, .k = 7168}), Lender::none);
  const std::vector<std::int64_t> rows(4, 256);
  GroupedGemm grouped;
  grouped.rows = rows, grouped.n = 4096, grouped.k = 7168, grouped.dtype = spec::Dtype::fp8;
  EXPECT_EQ(lender(grouped), Lender::none);
  grouped.dtype = spec::Dtype::bf16;
  EXPECT_EQ(lender(grouped), Lender::none);
  grouped.weights = spec::Dtype::fp4;
  EXPECT_EQ(lender(grouped), Lender::fp8_products);
  const AttentionHeads expanded{spec::AttentionKind::mla, 128, 128, 192, 128, false},
      gqa{spec::AttentionKind::gqa, 32, 8, 128, 128}, absorbed{spec::AttentionKind::mla, 128, 1, 576, 512, true};
  const AttentionWork prompt{1, 4096, 4096, 4096, 4096.0 * 4096 / 2}, step{64, 64, 64 * 4096, 4096, 64 * 4096.0};
  EXPECT_EQ(lender(AttentionPrefill{expanded, prompt}), Lender::none);
  EXPECT_EQ(lender(AttentionPrefill{gqa, prompt}), Lender::none);
  EXPECT_EQ(lender(AttentionPrefill{gqa, prompt, spec::Dtype::fp8}), Lender::none);
  EXPECT_EQ(lender(AttentionBackward{expanded, prompt}), Lender::none);
  EXPECT_EQ(lender(AttentionBackward{gqa, prompt}), Lender::latent_attention);
  EXPECT_EQ(lender(AttentionDecode{absorbed, step}), Lender::none);
  EXPECT_EQ(lender(AttentionDecode{absorbed, step, spec::Dtype::bf16, spec::Dtype::fp8}), Lender::latent_attention);
  EXPECT_EQ(lender(AttentionDecode{gqa, step}), Lender::none);
  EXPECT_EQ(lender(AttentionDecode{gqa, step, spec::Dtype::bf16, spec::Dtype::fp8}), Lender::none);
  EXPECT_EQ(lender(MemoryOp{MemoryKind::norm, {10'000'000}}), Lender::none);
  EXPECT_EQ(lender(MemoryOp{MemoryKind::optimizer, {10'000'000}}), Lender::other_moves);
  KernelCosts costs(*model);
  (void)costs.cost(grouped);
  EXPECT_EQ(costs.summary().lent[std::size_t(Lender::fp8_products)], 1);
  EXPECT_EQ(costs.summary().share[std::size_t(Origin::equation)], 1);
}

// Rates that no parameter comes from, of the committed calibration: reports/kernels.md gives the list.
TEST(Calibration, PublishedRatesAreNear) {
  const std::vector<RateCheck> rates = published_rates(load_calibration("kernels-hopper"), spec::load_gpu("h800"));
  EXPECT_GE(rates.size(), 25u);
  for (const RateCheck& r : rates) {
    EXPECT_GT(r.predicted, 0) << r.kernel;
    const double most = r.use == "compared" ? 0.25 : r.use == "set" ? 0.03 : 0.01;
    EXPECT_NEAR(r.error(), 0, most) << r.source << ": " << r.kernel;
  }
}

// The shapes of one layer as seen in the published training profile: T = 4096, four experts of 8192 rows.
TEST(Inventory, TheV3TrainingLayerHasThePublishedProducts) {
  ExplainRequest r;
  r.model = spec::load_model("deepseek-v3");
  r.phase = StepPhase::training;
  r.expert_parallel = 64;
  r.options.training = true;
  r.options.precision.linear = spec::Dtype::fp8;
  r.options.recompute = {true, true, true, false};
  const auto model = calibrated(spec::load_gpu("h800"));
  const Explanation e = explain(r, *model);
  const auto has = [&](std::string_view name, std::int64_t m, std::int64_t n, std::int64_t k) {
    return std::ranges::any_of(e.operations, [&](const ExplainedOperation& x) {
      const auto* g = std::get_if<Gemm>(&x.operation.kernel);
      return x.operation.name == name && g && g->m == m && g->n == n && g->k == k;
    });
  };
  EXPECT_TRUE(has("q_a", 4096, 1536, 7168));
  EXPECT_TRUE(has("kv_a", 4096, 576, 7168));
  EXPECT_TRUE(has("q_b", 4096, 24576, 1536));
  EXPECT_TRUE(has("kv_b", 4096, 32768, 512));
  EXPECT_TRUE(has("o_proj", 4096, 7168, 16384));
  EXPECT_TRUE(has("router", 4096, 256, 7168));
  EXPECT_TRUE(has("gate-up", 4096, 4096, 7168));
  EXPECT_TRUE(has("down", 4096, 7168, 2048));
  EXPECT_TRUE(has("o_proj dgrad", 4096, 16384, 7168));
  EXPECT_TRUE(has("q_b dgrad", 4096, 1536, 24576));
  EXPECT_TRUE(has("kv_b dgrad", 4096, 512, 32768));
  EXPECT_TRUE(has("kv_a dgrad", 4096, 7168, 576));
  EXPECT_TRUE(has("q_a dgrad", 4096, 7168, 1536));
  EXPECT_TRUE(has("down dgrad", 4096, 2048, 7168));
  EXPECT_TRUE(has("gate-up dgrad", 4096, 7168, 4096));
  EXPECT_TRUE(has("o_proj wgrad", 7168, 16384, 4096));
  EXPECT_EQ(e.rows, (std::vector<std::int64_t>{8192, 8192, 8192, 8192}));
}

TEST(Measurements, EachRowIsHeldOutOnce) {
  std::vector<Measurement> measurements(23);
  for (Measurement& s : measurements) s.kind = "gemm";
  hold_out(measurements, 7);
  std::vector<int> rows(kFolds);
  for (const Measurement& s : measurements) ++rows[std::size_t(s.fold)];
  std::ranges::sort(rows);
  EXPECT_EQ(rows, (std::vector<int>{4, 4, 5, 5, 5}));
}

TEST(Measurements, RowsThatWaitedForTheirHostAreKnown) {
  const std::string file = testing::TempDir() + "mla.csv";
  put_file(file,
           "kernel_source,num_heads,batch_size,isl,latency\nfa3,8,1,512,0.9\nfa3,8,1,1024,0.7\nfa3,8,1,2048,1.0\n"
           "flashinfer,8,1,2048,0.8\n");
  const std::vector<Measurement> rows = read_mla_table(file, false);
  EXPECT_FALSE(rows[0].known);  // a longer prompt took less
  EXPECT_TRUE(rows[1].known);
  EXPECT_FALSE(rows[2].known);  // the same took less under the other library
  EXPECT_TRUE(rows[3].known);
}

// 100 MB walked through again and again: none stays in a cache a tenth as large, all in one that holds them; and runs
// beyond the burst are priced at the sustained clock.
TEST(Measurements, HarnessKeepsDataInTheCacheAndHeatsTheGpu) {
  const spec::Gpu gpu = spec::load_gpu("h800");
  const Calibration c = load_calibration("kernels-hopper");
  Measurement s;
  s.harness = Harness::graph;
  s.sequences = {{MemoryOp{MemoryKind::copy, {100'000'000}}}};
  const double cold = predict(s, gpu, c, {.cache = 10e6, .cached = 2});
  EXPECT_NEAR(predict(s, gpu, c, {.cache = 10e6}), cold, cold * 1e-3);
  EXPECT_LT(predict(s, gpu, c, {.cache = 200e6, .cached = 2}), 0.6 * cold);
  s.harness = Harness::eager;
  s.sequences = {{Gemm{.m = 8192, .n = 8192, .k = 8192, .dtype = spec::Dtype::fp8}}};
  s.repeats = 1000;
  const double fresh = predict(s, gpu, c, {}), hot = predict(s, gpu, c, {.burst = 0});
  EXPECT_GT(hot, 1.05 * fresh);
  EXPECT_LT(hot, fresh / c.sustained_clock * 1.001);
}

// Why a product cut unevenly may beat the whole: DeepGEMM README, 2025-03, H800, TFLOP/s of M x N x 7168.
TEST(Measurements, ARealKernelGainsFromAnUnevenCut) {
  const auto time = [](double m, double n, double tflops) { return 2 * m * n * 7168 / (tflops * 1e12); };
  const double whole = time(4096, 2112, 1009), wave = time(4096, 4096, 1265) / 8, rest = time(128, 2112, 352);
  ASSERT_EQ((4096 / 128) * (4096 / 128), 1024);  // tiles of the product that gives the wave: 7.8 waves of 132
  ASSERT_LE((3968 / 128) * ((2112 + 127) / 128), 4 * 132);  // tiles of 3968 rows: four waves
  EXPECT_LT(4 * wave + rest, 0.9 * whole);
}

// The measurement tables are not part of the project; where they are, the committed calibration is held to them.
TEST(Calibration, HoldsOnTheTableItWasFittedTo) {
  const std::string table = test::source_dir() + "/../shared/facts/gemm_fp8_h800.csv";
  if (!std::filesystem::exists(table)) GTEST_SKIP() << "the measurement tables are not here";
  const spec::Gpu gpu = spec::load_gpu("h800");
  const Calibration calibration = load_calibration("kernels-hopper");
  std::vector<std::pair<double, std::string>> errors;
  for (const Measurement& s : read_gemm_table(table))
    errors.emplace_back(std::abs(predict(s, gpu, calibration, {}) / s.seconds - 1), s.shape);
  const Residuals r = residuals_of(errors);
  EXPECT_LT(r.median, 0.04);
  EXPECT_LT(r.worst, 0.12) << r.worst_shape;
}
}  // namespace
}  // namespace moesim::compute
