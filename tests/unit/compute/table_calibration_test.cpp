// Folders of measured kernels: what is read of them, and how near the calibrations in force are.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "spec/catalogue.h"
#include "support/places.h"
#include "support/refusal.h"
#include "unit/compute/written_tables.h"

namespace moesim::compute {
namespace {
constexpr const char* kAttention =
    "gpu,library,kernel,batch,new_tokens,cached_tokens,heads,kv_heads,head_dim,window,compute,kv_cache,time_us\n";

using Tables = WrittenTables;

TEST_F(Tables, KindsAreToldByTheBeginningOfTheName) {
  for (const char* name : {"gemm_x.csv", "folder/attention_decode_any.csv", "mla_prefill_core_b200.csv",
                           "moe_layer_x.csv", "moe_mxfp4_h100.csv", "wideep_mla_decode_b200.csv",
                           "h100_expert_gemm_decode.csv", "quantize_fp8_b200.csv", "gemm.csv"})
    EXPECT_TRUE(is_kernel_table(name)) << name;
  for (const char* name : {"gemmx.csv", "h100_gemm.csv", "nccl_a100.csv"}) EXPECT_FALSE(is_kernel_table(name)) << name;
}

// Six weights in turn: 4 x 50 MB of L2 lie between 2 x 2048 x 8192 = 34 MB and 2 x 1024 x 16384 = 34 MB a weight and
// half of it.  The activations of FP8 are quantised first.
TEST_F(Tables, ProductsAreClassedByTheirWeightsAndRows) {
  const auto rows =
      read("gemm_any.csv", fmt::format("{}h100,x,y,bfloat16,64,2048,8192,20\nh100,x,y,bfloat16,65,1024,8192,20\n"
                                       "h100,x,y,fp8_block,64,3073,8192,20\n",
                                       kProducts));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].groups, (std::vector<std::string>{"weights from HBM", "few rows"}));
  EXPECT_EQ(rows[1].groups, (std::vector<std::string>{"others"}));
  EXPECT_EQ(rows[2].groups, (std::vector<std::string>{"others"}));
  EXPECT_EQ(rows[0].sequences[0].size(), 1u);
  ASSERT_EQ(rows[2].sequences[0].size(), 2u);
  EXPECT_TRUE(std::holds_alternative<MemoryOp>(rows[2].sequences[0][0]));
  EXPECT_DOUBLE_EQ(rows[0].seconds, 20e-6);
}

/// Pairs of the one attention of the one row.
double pairs(const std::vector<Measurement>& rows) {
  for (const Kernel& kernel : rows.at(0).sequences.at(0)) {
    if (const auto* a = std::get_if<AttentionPrefill>(&kernel)) return a->work.pairs;
    if (const auto* a = std::get_if<AttentionDecode>(&kernel)) return a->work.pairs;
  }
  return 0;
}

// Of 16384 tokens under a width of 8192: everything, what slides, or two chunks.
TEST_F(Tables, AWindowIsReadAsItsKernelHonoursIt) {
  const auto prompt = [&](const char* kernel) {
    return pairs(read("attention_prefill_x.csv",
                      fmt::format("{}b200,x,{},1,16384,0,8,8,128,8192,bfloat16,bfloat16,90000\n", kAttention, kernel)));
  };
  const double half = 8192.0 * 8192 / 2;
  EXPECT_EQ(prompt("triton"), 4 * half);
  EXPECT_EQ(prompt("trtllm_mha"), half + 8192.0 * 8192);
  EXPECT_EQ(prompt("fa3"), 2 * half);
  const auto decode = [&](const char* kernel, int window) {
    return pairs(
        read("attention_decode_x.csv",
             fmt::format("{}b200,x,{},1,1,16383,8,8,128,{},bfloat16,bfloat16,90000\n", kAttention, kernel, window)));
  };
  EXPECT_EQ(decode("trtllm_mha", 8192), 16384);
  EXPECT_EQ(decode("trtllm_mha", 1024), 1024);
  EXPECT_EQ(decode("triton", 1024), 1024);
  EXPECT_EQ(decode("fa3", 8192), 8192);
}

constexpr const char* kLayers = "gpu,library,kernel,precision,tokens,hidden,width,top_k,experts,tp,ep,load,time_us\n";

const GroupedGemm& product(const Measurement& s) {
  for (const Kernel& kernel : s.sequences.at(0))
    if (const auto* g = std::get_if<GroupedGemm>(&kernel)) return *g;
  throw std::logic_error("a row without products");
}

// 6 tokens that choose 2 of 8 experts: 12 rows, of which the first GPU of two has 2 + 2 + 1 + 1; a width of 512 halved
// by tensor parallelism, gate and up.
TEST_F(Tables, AnExpertLayerHasTheRowsAndColumnsOfOneGpu) {
  const auto rows = read("moe_layer_x.csv", std::string(kLayers) +
                                                "h100,x,fused_moe_triton,bfloat16,6,1024,512,2,8,2,2,balanced,30\n"
                                                "h100,x,marlin,w4a16_mxfp4,65,1024,512,2,8,1,1,power_law_1.2,30\n");
  ASSERT_EQ(rows.size(), 2u);
  const GroupedGemm& even = product(rows[0]);
  EXPECT_EQ(std::vector<std::int64_t>(even.rows.begin(), even.rows.end()), (std::vector<std::int64_t>{2, 2, 1, 1}));
  EXPECT_EQ(even.n, 512);
  EXPECT_EQ(even.k, 1024);
  EXPECT_EQ(rows[0].expert_library, ExpertLibrary::triton);
  EXPECT_EQ(rows[0].groups, (std::vector<std::string>{"fewer tokens"}));
  EXPECT_EQ(rows[1].sequences.size(), 5u);  // draws
  EXPECT_EQ(rows[1].groups, (std::vector<std::string>{"over 64 tokens"}));
  EXPECT_EQ(rows[1].expert_library, ExpertLibrary::marlin);
  EXPECT_EQ(format_of(product(rows[1])), ExpertFormat::mxfp4_bf16);
  for (const std::vector<std::int64_t>& draw : rows[1].rows)
    for (const std::int64_t r : draw) EXPECT_LE(r, 65);  // a token chooses an expert once
}

// A grouped gate under even scores chooses fewer experts than the rows' number suggests: which, nobody knows.
TEST_F(Tables, FewTokensOfAGroupedGateAreLeftOut) {
  const auto known = [&](int experts, int tokens, const char* load) {
    return read("moe_layer_x.csv", fmt::format("{}h100,x,triton,fp8_block,{},7168,2048,8,{},1,1,{},9000\n", kLayers,
                                               tokens, experts, load))
        .at(0)
        .known;
  };
  EXPECT_FALSE(known(256, 64, "balanced"));
  EXPECT_TRUE(known(256, 65, "balanced"));
  EXPECT_TRUE(known(256, 64, "power_law_1.2"));
  EXPECT_TRUE(known(128, 64, "balanced"));
}

TEST_F(Tables, RowsThatCannotBeAreNamedWithFileAndLine) {
  const auto refused = [&](const std::string& row) {
    return test::refusal_of([&] { read("moe_layer_x.csv", kLayers + row); });
  };
  const auto says = [](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  says(refused("a100,x,triton,fp8_block,64,1024,512,2,8,1,1,balanced,30\n"),
       "moe_layer_x.csv:2: a100 has no fp8 arithmetic");
  says(refused("h100,x,triton,bfloat16,4096,4096,14336,2,8,1,1,balanced,30\n"), "above the bf16 peak of h100");
  says(refused("h100,x,mystery,bfloat16,64,1024,512,2,8,1,1,balanced,30\n"),
       "moe_layer_x.csv:2: kernel: \"mystery\" names no library");
  says(refused("h100,x,triton,bfloat16,64,1024,512,2,8,1,3,balanced,30\n"), "ep: must divide the 8 experts, got 3");
  says(refused("h100,x,triton,bfloat16,64,1024,512,2,8,1,1,even,30\n"),
       "load: expected balanced or power_law_ALPHA, got \"even\"");
  says(refused("h100,x,triton,bfloat16,64,1024,512,2,8,1,1,balanced,300\n"
               "h100,x,triton,bfloat16,64,1024,512,2,8,1,1,balanced,400\n"),
       "moe_layer_x.csv:3: ");
  says(test::refusal_of([&] { read("h100_mla_x.csv", "a\n"); }), "_decode or _prefill");
}

// 16 x 1024 numbers: 2 bytes in, 1 out.  A time that was clipped at nothing is left out.
TEST_F(Tables, QuantisingIsACastOfItsBytes) {
  const auto rows = read("quantize_fp8_x.csv", "gpu,library,rows,cols,static_us,dynamic_us\nh100,x,16,1024,2,\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].precision, "static");
  EXPECT_EQ(rows[0].bench, "quantise");
  EXPECT_EQ(bytes_of(rows[0].sequences[0][0]), Bytes{16 * 1024 * 3});
  // Classes by size: 3 bytes a number, of widths that models have.
  const auto sizes =
      read("quantize_fp8_y.csv",
           "gpu,library,rows,cols,static_us,dynamic_us\nh100,x,16,1024,2,\nh100,x,100,2048,2,\nh100,x,200,"
           "2048,2,\nh100,x,10000,2048,2,\nh100,x,10000,32768,2,\n");
  std::vector<std::string> groups;
  for (const Measurement& m : sizes) groups.push_back(m.groups.back());
  EXPECT_EQ(groups, (std::vector<std::string>{"other widths", "smaller", "over 1 MB", "over 60 MB", "other widths"}));
}

// Rows that an equation made are found again from other starting values.
TEST_F(Tables, AFitFindsTheEquationThatMadeTheRows) {
  const spec::Gpu gpu = spec::load_gpu("h100");
  std::string text = kProducts;
  for (const int m : {1, 64, 512, 4096})
    for (const int n : {1024, 4096, 12288})
      for (const int k : {1024, 4096}) text += fmt::format("h100,x,y,bfloat16,{},{},{},9000\n", m, n, k);
  std::vector<Measurement> rows = read("gemm_any.csv", text);
  TableFitResult truth{load_calibration("kernels-hopper"), load_benchmarks("hopper"), {}};
  ASSERT_TRUE(truth.calibration.gemm_bf16);
  truth.calibration.gemm_bf16->launch = 5_us;
  truth.calibration.gemm_bf16->hbm = 0.7;
  for (Measurement& s : rows) s.seconds = predict(s, gpu, truth.calibration, limits_of(truth.benchmarks[s.bench], gpu));
  hold_out(rows, 1);
  TableFitResult fit{load_calibration("kernels-hopper"), load_benchmarks("hopper"), {}};
  const auto error = [&] { return residuals_of(fit, gpu, rows, [](const Measurement&) { return true; })[0].residuals; };
  const double before = error().median;
  fit_tables(fit, gpu, rows, -1, 200);
  EXPECT_GT(before, 0.1);
  EXPECT_LT(error().median, 0.02);
}

// The tables are not part of the project; where they are, the calibrations in force are held to them.
TEST(TableCalibration, HoldsOnTheTablesItWasFittedTo) {
  const std::filesystem::path folder = test::source_dir() + "/../shared/data/kernels_wide";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the measurement tables are not here";
  std::vector<Measurement> rows;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (is_kernel_table(entry.path().string()))
      for (Measurement& s : read_kernel_table(entry.path().string()).rows) rows.push_back(std::move(s));
  for (const ClassResiduals& c : residuals_in_force(rows)) {
    if (c.kind.starts_with("expert") || c.kind == "mla decode" || c.kind == "mla prefill") continue;  // below
    if (c.residuals.rows < 50 || c.library == "triton" || c.library == "flashinfer") continue;
    const bool product = c.kind == "product";
    const bool latent = c.kind == "mla decode core" && c.gpu == "h100";   // its fixed times are those of whole layers
    const bool ampere = c.kind == "attention decode" && c.gpu == "a100";  // waves of whole sequences
    EXPECT_LT(c.residuals.median, latent   ? 0.25
                                  : ampere ? 0.16
                                           : 0.12)
        << c.kind << " " << c.precision << " " << c.gpu << " " << c.group;
    EXPECT_LT(c.residuals.ninetieth, product ? 0.32 : 0.55)
        << c.kind << " " << c.precision << " " << c.gpu << " " << c.group;
  }
  // Expert layers of all kernels and formats of a GPU together.
  for (const auto& [gpu, median] : {std::pair("h100", 0.09), std::pair("b200", 0.14), std::pair("a100", 0.20)})
    for (const bool many : {false, true}) {
      std::vector<double> errors;
      for_each_in_force(rows, [&](const Measurement& s, double time, bool) {
        const bool over = !s.groups.empty() && s.groups[0] == "over 64 tokens";
        if (s.kind == "expert layer" && s.gpu == gpu && s.known && over == many)
          errors.push_back(std::abs(time / s.seconds - 1));
      });
      std::ranges::sort(errors);
      ASSERT_FALSE(errors.empty());
      EXPECT_LT(errors[errors.size() / 2], median) << gpu << (many ? ", over 64 tokens" : ", fewer tokens");
    }
}
}  // namespace
}  // namespace moesim::compute
