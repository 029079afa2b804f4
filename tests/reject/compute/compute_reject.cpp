// Wrong input: the exact message, one line.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "compute/fitting/calibrate.h"
#include "compute/fitting/measurements.h"
#include "compute/kernels/kernel_model.h"
#include "compute/layers/explain.h"
#include "spec/catalogue.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::compute {
namespace {

class TableFile : public testing::Test {
 protected:
  std::string file = testing::TempDir() + "table.csv";
  std::string error(const std::string& rows, const std::string& header = "kernel,precision,shape,gpu,sms,time\n") {
    put_file(file, header + rows);
    std::string out = test::refusal_of([&] {
      (void)kernel_models().make(Config::from_text("{kind: table, file: " + file + "}", "s.yaml"),
                                 spec::load_gpu("h800"));
    });
    for (std::size_t at; (at = out.find(file)) != std::string::npos;) out.replace(at, file.size(), "t.csv");
    return out;
  }
};

TEST_F(TableFile, MissingColumn) {
  EXPECT_EQ(error("gemm,fp8,64x64x64,h800,9\n", "kernel,precision,shape,gpu,time\n"),
            "t.csv:1: missing column \"sms\"; there are: kernel, precision, shape, gpu, time");
}
TEST_F(TableFile, CellsMissing) {
  EXPECT_EQ(error("gemm,fp8,64x64x64,h800\n"), "t.csv:2: expected 6 cells as in the header, got 4");
}
TEST_F(TableFile, NoNumber) {
  EXPECT_EQ(error("gemm,fp8,64x64x64,h800,132,soon\n"), "t.csv:2: time: expected a number, got \"soon\"");
}
TEST_F(TableFile, ShapeOfZero) {
  EXPECT_EQ(error("gemm,fp8,0x64x64,h800,132,9\n"),
            "t.csv:2: shape: expected sizes above 0 joined by x, got \"0x64x64\"");
}
TEST_F(TableFile, ShapeOfAnotherKernel) {
  EXPECT_EQ(error("gemm,fp8,64x64,h800,132,9\n"), "t.csv:2: shape: gemm has 3 sizes, found 2");
}
TEST_F(TableFile, FasterThanTheDataSheet) {
  EXPECT_EQ(error("gemm,fp8,4096x7168x16384,h800,132,100\n"),
            "t.csv:2: time: 100 us is less than the data sheet of h800 allows, 486.165 us");
}
TEST_F(TableFile, RowsThatDisagree) {
  EXPECT_EQ(error("gemm,fp8,4096x7168x16384,h800,132,700\ngemm,fp8,4096x7168x16384,h800,132,701\n"),
            "t.csv:3: time: an earlier row gives 700 us for the same kernel, this one 701 us");
}
TEST_F(TableFile, PrecisionTheGpuLacks) {
  EXPECT_EQ(error("gemm,fp4,64x64x64,h800,132,9\n"), "t.csv:2: gemm 64 x 64 x 64 fp4: h800 has no fp4 arithmetic");
}
TEST_F(TableFile, MoreSmsThanTheGpuHas) {
  EXPECT_EQ(error("gemm,fp8,64x64x64,h800,133,9\n"), "t.csv:2: sms: h800 has 132, got 133");
}
TEST_F(TableFile, EmptyFileAndNoRows) {
  EXPECT_EQ(error("", ""), "t.csv: expected a header line with column names, the file is empty");
  EXPECT_EQ(error(""), "t.csv: has no row for GPU h800");
  EXPECT_EQ(error("gemm,fp8,64x64x64,h800,132,9,9\n", "kernel,precision,shape,gpu,sms,time,time\n"),
            "t.csv:1: column \"time\" appears twice");
}
TEST_F(TableFile, TimesThatCannotBe) {
  for (const char* time : {"nan", "inf"})
    EXPECT_EQ(error(fmt::format("gemm,fp8,64x64x64,h800,132,{}\n", time)),
              fmt::format("t.csv:2: time: expected a number, got \"{}\"", time));
  for (const char* time : {"1e300", "-5", "0"})
    EXPECT_EQ(error(fmt::format("gemm,fp8,64x64x64,h800,132,{}\n", time)),
              fmt::format("t.csv:2: time: expected microseconds above 0, got {}", time));
}
TEST_F(TableFile, UnknownWords) {
  EXPECT_EQ(error("gem,fp8,64x64x64,h800,132,9\n"),
            "t.csv:2: kernel: no kernel is called \"gem\"; did you mean \"gemm\"?");
  EXPECT_EQ(error("gemm,int7,64x64x64,h800,132,9\n"),
            "t.csv:2: precision: \"int7\" is not known; did you mean \"int8\"?");
  EXPECT_EQ(error("gemm,int8,64x64x64,h800,132,9\n"), "t.csv:2: gemm 64 x 64 x 64 int8: h800 has no int8 arithmetic");
  EXPECT_EQ(error("gemm,fp8,64x64x64,h801,132,9\n"),
            "t.csv:2: gpu: \"h801\" is neither h800 nor in the hardware catalogue");
  EXPECT_EQ(error("attention_decode,fp4,8x1x576x512x1x4096,h800,132,9\n"),
            "t.csv:2: precision: of a cache is bf16 or fp8, got fp4");
  EXPECT_EQ(error("norm,fp8,4096,h800,132,9\n"), "t.csv:2: precision: norm is a memory-bound kind, expected bf16");
}
TEST_F(TableFile, ShapesBeyondReason) {
  EXPECT_EQ(error("gemm,fp8,9999999999x9999999999x16384,h800,132,9\n"),
            "t.csv:2: shape: too large, got \"9999999999x9999999999x16384\"");
  EXPECT_EQ(error("grouped_masked,fp8,9999999999x1x64x64,h800,132,9\n"),
            "t.csv:2: shape: expected at most 100000 experts, got 9999999999");
  EXPECT_EQ(error("attention_decode,bf16,64x7x128x128x1x4096,h800,132,9\n"),
            "t.csv:2: shape: heads must be a multiple of the KV heads, and these and widths at most 100000");
}
TEST_F(TableFile, NothingForThisGpu) {
  EXPECT_EQ(error("gemm,fp8,64x64x64,b200,132,9\n"), "t.csv: has no row for GPU h800");
}
TEST_F(TableFile, MeasuredIsExactBetweenIsInterpolatedOutsideIsTheEquation) {
  put_file(file,
           "kernel,precision,shape,gpu,sms,time\ngemm,fp8,1024x7168x7168,h800,132,150\n"
           "gemm,fp8,4096x7168x7168,h800,132,500\n");
  const spec::Gpu gpu = spec::load_gpu("h800");
  const auto table = kernel_models().make(Config::from_text("{kind: table, file: " + file + "}", "s.yaml"), gpu);
  const auto equation = kernel_models().make(Config::from_text("calibrated", "s.yaml"), gpu);
  const auto gemm = [](std::int64_t m) { return Gemm{.m = m, .n = 7168, .k = 7168, .dtype = spec::Dtype::fp8}; };
  EXPECT_NEAR(seconds(table->cost(gemm(1024)).time), 150e-6, 1e-11);
  EXPECT_EQ(table->cost(gemm(1024)).from.origin, Origin::measured);
  const Cost between = table->cost(gemm(2048));
  EXPECT_EQ(between.from.origin, Origin::interpolated);
  EXPECT_GT(between.time, table->cost(gemm(1024)).time);
  EXPECT_LT(between.time, table->cost(gemm(4096)).time);
  EXPECT_EQ(table->cost(gemm(8192)).time, equation->cost(gemm(8192)).time);
}

// A table's shape says neither the result's number format nor whose kernel it was, but KV heads and the time: a
// measured one is that time.  Experts with unequal rows are more than a shape with a mean can say.
TEST_F(TableFile, MeasuredTimesAreTheTables) {
  put_file(file,
           "kernel,precision,shape,gpu,sms,time\nadd,bf16,176160768,h800,132,80\n"
           "gemm,bf16,4096x256x7168,h800,132,40\ngrouped_masked,fp8,2x64x4096x7168,h800,132,50\n"
           "attention_decode,bf16,64x8x128x128x16x4096,h800,132,200\n");
  const auto table =
      kernel_models().make(Config::from_text("{kind: table, file: " + file + "}", "s.yaml"), spec::load_gpu("h800"));
  const auto microseconds = [&](const Kernel& kernel) {
    const Cost cost = table->cost(kernel);
    return cost.from.origin == Origin::measured ? seconds(cost.time) * 1e6 : -1;
  };
  EXPECT_NEAR(microseconds(MemoryOp{MemoryKind::add, {176160768}, true}), 80, 1e-5);
  EXPECT_NEAR(microseconds(Gemm{.m = 4096, .n = 256, .k = 7168, .out = spec::Dtype::fp32}), 40, 1e-5);
  const AttentionWork work{16, 16, 16 * 4096, 4096, 16 * 4096};
  EXPECT_NEAR(microseconds(AttentionDecode{{spec::AttentionKind::gqa, 64, 8, 128, 128, false}, work}), 200, 1e-5);
  EXPECT_EQ(microseconds(AttentionDecode{{spec::AttentionKind::gqa, 64, 4, 128, 128, false}, work}), -1);
  std::vector<std::int64_t> rows{64, 64};
  GroupedGemm g{.rows = rows, .n = 4096, .k = 7168, .dtype = spec::Dtype::fp8, .layout = GroupLayout::masked};
  EXPECT_NEAR(microseconds(g), 50, 1e-5);
  rows = {1, 127};
  EXPECT_EQ(table->cost(g).from.origin, Origin::interpolated);
}

TEST(Costs, ShapesAndPrecisions) {
  const auto on = [](const char* gpu) {
    return kernel_models().make(Config::from_text("calibrated", "s.yaml"), spec::load_gpu(gpu));
  };
  EXPECT_EQ(test::refusal_of([&] { (void)on("h800")->cost(Gemm{.m = 0, .n = 64, .k = 64}); }),
            "gemm 0 x 64 x 64 bf16: a dimension is zero or negative");
  EXPECT_EQ(
      test::refusal_of([&] { (void)on("a100")->cost(Gemm{.m = 1, .n = 64, .k = 64, .dtype = spec::Dtype::fp8}); }),
      "gemm 1 x 64 x 64 fp8: a100 has no fp8 arithmetic");
  EXPECT_EQ(
      test::refusal_of([&] {
        (void)on("h800")->cost(Gemm{.m = 1, .n = 64, .k = 64, .dtype = spec::Dtype::fp8, .weights = spec::Dtype::bf16});
      }),
      "gemm 1 x 64 x 64 fp8 of bf16 weights: weights are stored wider than they are computed");
  EXPECT_EQ(test::refusal_of([&] {
              (void)on("h800")->cost(MemoryOp{MemoryKind::norm, 1_B}, {133, 1});
            }),
            "norm 1 B: asked for 133 SMs, h800 has 132");
}

TEST(Calibrations, FilesThatCannotBe) {
  const std::string file = testing::TempDir() + "calibration.yaml";
  const auto error = [&](const std::string& text) {
    put_file(file, text);
    std::string out = test::refusal_of([&] { (void)load_calibration(file); });
    for (std::size_t at; (at = out.find(file)) != std::string::npos;) out.replace(at, file.size(), "c.yaml");
    return out;
  };
  EXPECT_EQ(error("type: gpu\n"), "c.yaml:1:7: type: expected kernel_calibration, got \"gpu\"");
  EXPECT_EQ(error("type: kernel_calibration\ngeneration: hopper\ngemm: {tensor: 1.2}\n"),
            "c.yaml:3:16: gemm.tensor: tensor must be a share in (0, 1], got 1.2");
  EXPECT_EQ(error("type: kernel_calibration\ngeneration: hopper\ndecode_heads: {rows: 0}\n"),
            "c.yaml:3:22: decode_heads.rows: must be at least 1");
  EXPECT_EQ(error("type: kernel_calibration\ngeneration: hopper\nfrom: " + file + "\n"),
            "c.yaml:3:7: from: is a chain of entries without end");
}

TEST(Calibrate, TablesThatCannotBe) {
  const TemporaryFolder tables;
  const std::filesystem::path& folder = tables.path();
  const std::string experts = "num_tokens,hidden_size,inter_size,topk,num_experts,moe_ep_size,distribution,latency\n";
  const std::string mla = "kernel_source,num_heads,batch_size,isl,latency\n";
  for (const char* phase : {"decode", "prefill"}) {
    put_file((folder / fmt::format("h100_expert_gemm_{}.csv", phase)).string(), experts);
    put_file((folder / fmt::format("h100_mla_{}.csv", phase)).string(), mla + "fa3,128,1,4096,9\n");
  }
  const std::string gemm = (folder / "gemm.csv").string(), header = "layout,groups,m_per_group,n,k,tflops\n";
  const auto error = [&](const std::string& rows) {
    put_file(gemm, rows);
    CalibrationInput input{spec::load_gpu("h800"), gemm, folder.string()};
    std::string out = test::refusal_of([&] { (void)calibrate(input); });
    for (std::size_t at; (at = out.find(folder.string())) != std::string::npos;)
      out.replace(at, folder.string().size() + 1, "");
    return out;
  };
  EXPECT_EQ(error("layout,groups,n,k,tflops\ndense,1,64,64,9\n"),
            "gemm.csv:1: missing column \"m_per_group\"; there are: layout, groups, n, k, tflops");
  EXPECT_EQ(error(header + "dense,1,0,64,64,9\n"), "gemm.csv:2: m_per_group: expected 1 to 10000000, got 0");
  EXPECT_EQ(error(header + "dense,1,64,64,64,0\n"), "gemm.csv:2: tflops: expected a rate above 0");
  EXPECT_EQ(error(header + "dense,1,64,64,64,5000\n"),
            "gemm 1 x 64 x 64 x 64: 5000 TFLOP/s is above the FP8 peak of h800");
  EXPECT_EQ(error(header + "dense,1,64,64,64,10\ndense,1,64,64,64,90\n"),
            "gemm 1 x 64 x 64 x 64: an earlier row gives 0.05243 us, this one 0.005825 us");
  EXPECT_EQ(error(header + "dense,1,64,64,64,10\n"), "gemm.csv: has no contiguous rows");
  put_file((folder / "h100_mla_prefill.csv").string(), mla + "fa3,128,1,16384,0.9\n");
  EXPECT_EQ(error(header + "dense,1,64,64,64,10\n"),
            "mla prefill 128 heads, 1 sequences of 16384, fa3: 18478 TFLOP/s is above the FP8 peak of h800");
}

TEST(Explain, BeyondTheModel) {
  const spec::Gpu gpu = spec::load_gpu("h800");
  const auto kernels = kernel_models().make(Config::from_text("calibrated", "s.yaml"), gpu);
  ExplainRequest r;
  r.model = spec::load_model("mixtral-8x7b");
  const auto error = [&](auto change) {
    ExplainRequest wrong = r;
    change(wrong);
    return test::refusal_of([&] { (void)explain(wrong, *kernels); });
  };
  EXPECT_EQ(error([](auto& x) { x.tokens = 0; }), "tokens: expected at least 1, got 0");
  EXPECT_EQ(error([](auto& x) { x.layer = 32; }), "layer: mixtral-8x7b has layers 0 to 31, got 32");
  EXPECT_EQ(error([](auto& x) { x.context = 32768; }),
            "context + tokens = 36864 is beyond the 32768 positions of mixtral-8x7b");
  EXPECT_EQ(error([](auto& x) { x.expert_parallel = 3; }),
            "expert parallelism: must divide the 8 experts of mixtral-8x7b, got 3");
  EXPECT_EQ(error([](auto& x) { x.options.tensor = 5; }),
            "32 attention heads cannot be shared by 5 tensor-parallel GPUs");
  r.model = spec::load_model("deepseek-v4-flash");
  EXPECT_EQ(error([](auto& x) { x.options.tensor = 16; }),
            "8 output groups of heads cannot be shared by 16 tensor-parallel GPUs");
}
}  // namespace
}  // namespace moesim::compute
