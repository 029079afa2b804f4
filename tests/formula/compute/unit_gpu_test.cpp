// Times on a GPU of 1 FLOP/s and 1 B/s, worked out in the head.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "compute/kernels/equations.h"
#include "compute/kernels/kernel_model.h"
#include "compute/layers/inventory.h"
#include "spec/catalogue.h"
#include "support/temporary_folder.h"

namespace moesim::compute {
namespace {
spec::Gpu unit_gpu(int sms) {
  spec::Gpu gpu;
  gpu.name = "unit";
  gpu.generation = "hopper";
  gpu.sms = sms;
  gpu.memory_bandwidth = 1_Bps;
  gpu.bf16 = 1_FLOPS;
  return gpu;
}
std::unique_ptr<KernelModel> roofline(const spec::Gpu& gpu, const std::string& more = "") {
  return kernel_models().make(Config::from_text("{kind: roofline" + more + "}", "test"), gpu);
}

TEST(Roofline, OneTileOfAProductTakesItsFlops) {
  // 64 x 16 x 64 is one tile and one step: 2 x 64 x 16 x 64 = 131072 FLOPs at 1 FLOP/s.
  EXPECT_EQ(roofline(unit_gpu(1))->cost(Gemm{.m = 64, .n = 16, .k = 64}).time, 131072_s);
  EXPECT_EQ(roofline(unit_gpu(1), ", launch: 5 s")->cost(Gemm{.m = 64, .n = 16, .k = 64}).time, 131077_s);
}

TEST(Roofline, ThreeBlocksOnTwoSmsAreDealtOutEvenly) {
  // Two SMs of half a FLOP/s: a block of 64 x 16 takes 262144 s on one of them, three take both as long as 1.5.
  EXPECT_EQ(roofline(unit_gpu(2))->cost(Gemm{.m = 64, .n = 16, .k = 64}).time, 262144_s);
  EXPECT_EQ(roofline(unit_gpu(2))->cost(Gemm{.m = 64, .n = 32, .k = 64}).time, 262144_s);
  EXPECT_EQ(roofline(unit_gpu(2))->cost(Gemm{.m = 64, .n = 48, .k = 64}).time, 393216_s);
}

TEST(Roofline, PowerFollowsWhatBoundsAKernel) {
  spec::Gpu gpu = unit_gpu(1);
  gpu.draw = {.idle = 0.1, .launch = 0.2, .memory = 0.5, .compute = 0.9};
  const auto model = roofline(gpu);
  // 64 x 16 x 64: 131072 FLOPs, (64 + 16) x 64 x 2 + 64 x 16 x 2 = 12288 bytes.
  EXPECT_FLOAT_EQ(model->cost(Gemm{.m = 64, .n = 16, .k = 64}).draw, 0.9f);
  EXPECT_FLOAT_EQ(model->cost(MemoryOp{MemoryKind::copy, 100_B}).draw, 0.5f);
  EXPECT_DOUBLE_EQ(model->draw(MemoryOp{MemoryKind::copy, 100_B}, 1000_s), 0.5);  // a tenth of the bandwidth
  EXPECT_DOUBLE_EQ(model->draw(MemoryOp{MemoryKind::copy, 100_B}, 1001_s), 0.2);
  // Three seconds at 0.9 above the 0.2 of a GPU that waits.
  EXPECT_NEAR(above_waiting({3_s, {}, 0.9f}, gpu), 2.1, 1e-6);
}

// Two SMs on which a block of 64 x 16 takes a second for each step of 64 elements of K, so a tile of 128 x 128 takes
// 16; 10 s a tile besides, 2 s a launch, 3 s between two kernels.
constexpr Machine kTwoSms{.sms = 2, .tensor_per_sm = 2.0 * 64 * 16 * 64, .hbm = 1e30, .hbm_of_gpu = 1e30, .gap = 3};
GemmEquation tiles_of_ten_seconds() {
  GemmEquation e;
  e.tile = 10_s, e.launch = 2_s;
  return e;
}

TEST(Products, AFullWaveTakesWholeTiles) {
  const GemmEquation e = tiles_of_ten_seconds();
  EXPECT_EQ(gemm_seconds({.m = 128, .n = 256, .k = 64}, e, kTwoSms), 2 + 10 + 16);
  EXPECT_EQ(gemm_seconds({.m = 256, .n = 256, .k = 64}, e, kTwoSms), 2 + 2 * (10 + 16));
  EXPECT_EQ(gemm_seconds({.m = 256, .n = 256, .k = 65}, e, kTwoSms), 2 + 2 * (10 + 2 * 16));  // a second step
}

TEST(Products, LessThanAWaveIsDealtOutToAllSms) {
  EXPECT_EQ(gemm_seconds({.m = 128, .n = 128, .k = 64}, tiles_of_ten_seconds(), kTwoSms), 2 + 10 + 8);
}

// A third tile on two SMs: 8 s for each of them if it is cut off, and a second launch; or two waves of whole tiles.
TEST(Products, TheLastWaveIsCutOffOrRunsWhole) {
  GemmEquation e = tiles_of_ten_seconds();
  const Gemm three{.m = 128 * 3, .n = 128, .k = 64};
  EXPECT_EQ(gemm_seconds(three, e, kTwoSms), 2 + 2 * 10 + 16 + 8 + (3 + 2));
  e.launch = 4_s;
  EXPECT_EQ(gemm_seconds(three, e, kTwoSms), 4 + 2 * 10 + 16 + 8 + (3 + 4));
  e.launch = 6_s;
  EXPECT_EQ(gemm_seconds(three, e, kTwoSms), 6 + 2 * 10 + 16 + 16);
}

TEST(Products, EachExpertsRowsFillTiles) {
  const GemmEquation e = tiles_of_ten_seconds();
  const std::vector<std::int64_t> rows{1, 0, 65};
  GroupedGemm g;
  g.rows = rows, g.n = 128, g.k = 64;
  EXPECT_EQ(grouped_seconds(g, e, kTwoSms), 2 + 10 + 16);  // two tiles of 128 x 128
  g.layout = GroupLayout::masked;
  EXPECT_EQ(grouped_seconds(g, e, kTwoSms), 2 + 10 + 12);  // 64 + 128 rows: 24 blocks on two SMs
  g.weight_gradient = true;  // two tiles, of one and of two slices of 64 rows: three steps on two SMs
  EXPECT_EQ(grouped_seconds(g, e, kTwoSms), 2 + 10 + 2 * 16);
}

TEST(Roofline, AMoveTakesItsBytesAndHalfTheMemoryTwiceAsLong) {
  const auto model = roofline(unit_gpu(4));
  EXPECT_EQ(model->cost(MemoryOp{MemoryKind::copy, 7_B}).time, 7_s);
  EXPECT_EQ(model->cost(MemoryOp{MemoryKind::copy, 7_B}, {0, 0.5}).time, 14_s);
}

TEST(Roofline, ExpertsWithoutRowsCostNothing) {
  const std::vector<std::int64_t> none = {0, 0};
  GroupedGemm g;
  g.rows = none, g.n = 8, g.k = 8;
  EXPECT_EQ(roofline(unit_gpu(1))->cost(g).time, 0_s);
}

// One row of each of four experts: four tiles of 64 rows x 16 columns and one step of K, 131,072 FLOPs each; against
// widened weights blocks of 16 rows, a quarter of that.
TEST(Roofline, WidenedWeightsTakeSmallerBlocksOfRows) {
  const std::vector<std::int64_t> rows = {1, 1, 1, 1};
  GroupedGemm g{.rows = rows, .n = 16, .k = 64, .layout = GroupLayout::masked};
  EXPECT_EQ(roofline(unit_gpu(1))->cost(g).time, 524288_s);
  g.weights = spec::Dtype::fp4;
  EXPECT_EQ(roofline(unit_gpu(1))->cost(g).time, 131072_s);
}

TEST(Roofline, TwoMovesSideBySideShareTheMemory) {
  const auto model = roofline(unit_gpu(2));
  const Kernel move = MemoryOp{MemoryKind::copy, 6_B};
  const TogetherCost both = cost_together(*model, move, 1, move, 1);
  EXPECT_EQ(both.first.time, 12_s);
  EXPECT_EQ(both.second.time, 12_s);
  EXPECT_EQ(both.first_share, 0.5);
}

// A GPU of 1 FLOP/s whose clock halves under load, and whose kernels take a second at least.
class Fitted : public testing::Test {
 protected:
  Fitted() {
    put_file(file,
             "type: kernel_calibration\ngeneration: hopper\nsustained_clock: 0.5\n"
             "memory: {norm: 0.5, floor: 1 s, launched: 5 s, replayed: 2 s}\n");
  }
  Time time(const Kernel& kernel, const std::string& sustained = "true") const {
    return kernel_models()
        .make(Config::from_text("{kind: calibrated, calibration: " + file + ", sustained: " + sustained + "}", "test"),
              unit_gpu(2))
        ->cost(kernel)
        .time;
  }
  const TemporaryFolder folder;
  const std::string file = folder.file("unit.yaml");
};

TEST_F(Fitted, AMoveTakesAFloorAndItsBytesAtItsKindsRate) {
  EXPECT_EQ(time(MemoryOp{MemoryKind::copy, 7_B}), 8_s);
  EXPECT_EQ(time(MemoryOp{MemoryKind::norm, 7_B}), 15_s);          // half the bandwidth
  EXPECT_EQ(time(MemoryOp{MemoryKind::norm, 7_B}, "false"), 8_s);  // its instructions run at twice the clock
  for (const auto& [name, kind] : enum_names(MemoryKind{}))
    EXPECT_EQ(time(MemoryOp{kind, 4_B}), kind == MemoryKind::norm ? 9_s : 5_s) << name;
}

// Under load the clock is the kernel's own where it was measured, else the calibration's, and the GPU's before both.
TEST_F(Fitted, TheClockUnderLoadIsTheGpusThenTheKernelsThenAllKernels) {
  const auto seconds_of = [&](const char* own, double gpu_clock) {
    put_file(file,
             fmt::format("type: kernel_calibration\ngeneration: hopper\nsustained_clock: 0.5\nprefill: {{{}}}\n", own));
    spec::Gpu gpu = unit_gpu(2);
    gpu.bf16 = FlopRate{1e6}, gpu.memory_bandwidth = Bandwidth{1e30};
    gpu.sustained_clock = gpu_clock;
    AttentionPrefill prompt{{.heads = 1, .kv_heads = 1, .qk_dim = 64, .v_dim = 64}, {}};
    prompt.work = {.sequences = 1, .queries = 128, .keys = 128, .longest = 128, .pairs = 128 * 129 / 2};
    return seconds(kernel_models()
                       .make(Config::from_text("{kind: calibrated, calibration: " + file + "}", "test"), gpu)
                       ->cost(prompt)
                       .time);
  };
  const double half = seconds_of("", 0);
  EXPECT_NEAR(seconds_of("sustained: 0.25", 0) / half, 2, 1e-9);
  EXPECT_NEAR(seconds_of("sustained: 0.25", 0.5) / half, 1, 1e-9);
  EXPECT_NEAR(seconds_of("", 0.25) / half, 2, 1e-9);
}

TEST_F(Fitted, SmallKernelsTakeTheirLaunchesOrTheirReplay) {
  EXPECT_EQ(time(SmallChain{3, false}), 15_s);
  EXPECT_EQ(time(SmallChain{3, true}), 6_s);
}

// Split along K: 8 steps over two SMs are 4 of a second each, and joining takes two more; whole they take 8.
TEST_F(Fitted, AProductOfOneTileIsSplitWhereJoiningIsCheaper) {
  const auto with = [&](const char* reduce) {
    put_file(file, fmt::format("type: kernel_calibration\ngeneration: hopper\ngemm_bf16: {{step: 1 s, reduce: {}}}\n",
                               reduce));
    spec::Gpu gpu = unit_gpu(2);
    gpu.bf16 = FlopRate{1e30}, gpu.memory_bandwidth = Bandwidth{1e30};
    return kernel_models()
        .make(Config::from_text("{kind: calibrated, calibration: " + file + "}", "test"), gpu)
        ->cost(Gemm{.m = 16, .n = 16, .k = 8 * 64})
        .time;
  };
  EXPECT_NEAR(seconds(with("2 s")), 6, 1e-6);
  EXPECT_NEAR(seconds(with("5 s")), 8, 1e-6);
}

// An SM that takes one exponential a second needs a second a pair, however fast its tensor cores are.
TEST_F(Fitted, ExponentialsBoundAttentionOfNarrowHeads) {
  put_file(file,
           "type: kernel_calibration\ngeneration: hopper\nprefill_heads: {exponents: 1.0e-9, soft: 64, edge: 0}\n");
  spec::Gpu gpu = unit_gpu(1);
  gpu.bf16 = FlopRate{1e30}, gpu.memory_bandwidth = Bandwidth{1e30};
  const AttentionPrefill prompt{{spec::AttentionKind::mha, 1, 1, 16, 16, false}, {1, 128, 128, 128, 128.0 * 64}};
  const auto model =
      kernel_models().make(Config::from_text("{kind: calibrated, calibration: " + file + "}", "test"), gpu);
  EXPECT_NEAR(seconds(model->cost(prompt).time), 128 * 64, 1);
}

TEST_F(Fitted, ProductsRunAtTheClockUnderLoad) {
  const Gemm tile{.m = 64, .n = 16, .k = 64};  // on one of two SMs: 131,072 FLOPs at half a FLOP/s
  EXPECT_EQ(time(tile, "false"), 262144_s);
  EXPECT_EQ(time(tile, "true"), 524288_s);
}

TEST(Batch, PairsOfPromptsWindowsAndDecoding) {
  spec::Model model;
  model.attention.sliding_window = 4;
  Batch batch;
  add_prefill(batch, model, 8, 2);  // causal: 2 x 8 + 8 x 8 / 2
  EXPECT_EQ(batch.prefill.pairs, 48);
  EXPECT_EQ(batch.prefill.keys, 10);
  // Window 4: the first two queries see 2..4 keys (half the square: 2 x 2 + 2), the other six 4 each.
  EXPECT_EQ(batch.window_prefill.pairs, 6 + 24);
  EXPECT_EQ(batch.window_prefill.keys, 10);
  add_decode(batch, model, 9, 2, 3);  // three requests, two new tokens each: 10 + 11 keys
  EXPECT_EQ(batch.decode.pairs, 63);
  EXPECT_EQ(batch.decode.keys, 33);
  EXPECT_EQ(batch.window_decode.pairs, 24);
  EXPECT_EQ(batch.tokens, 8 + 6);
}
}  // namespace
}  // namespace moesim::compute
