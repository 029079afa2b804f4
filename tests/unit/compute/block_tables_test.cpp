// Block-sparse attention modules of MiniMax-M3 against what was measured of them on H100 and B200 under vLLM
// (../shared/data/kernels_new, its README says what a row timed).
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "compute/kernels/equation_model.h"
#include "compute/layers/inventory.h"
#include "formats/csv.h"
#include "spec/catalogue.h"
#include "support/places.h"
#include "unit/compute/kernel_errors.h"

namespace moesim::compute {
namespace {
/// Microseconds of the layer's kernels that a row timed: without the norm before and the sum after.
double module_microseconds(const KernelModel& kernels, const spec::Model& m, const formats::CsvTable& csv,
                           std::size_t r) {
  LayerOptions o;
  o.tensor = m.attention.heads / int(csv.integer(r, "heads"));
  o.graphs = true;
  const std::string weights(csv.text(r, "weights"));
  o.precision.linear = weights == "bfloat16" ? spec::Dtype::bf16
                       : weights == "nvfp4"  ? spec::Dtype::nvfp4
                                             : spec::Dtype::fp8;
  o.precision.kv_cache = csv.text(r, "kv_cache") == "fp8" ? spec::Dtype::fp8 : spec::Dtype::bf16;
  const std::int64_t fresh = csv.integer(r, "new_tokens"), cached = csv.integer(r, "cached_tokens"),
                     batch = csv.integer(r, "batch");
  Batch work;
  if (fresh == 1)  // vLLM decodes what has one new token, whatever it is called
    add_decode(work, m, cached, fresh, batch);
  else
    add_prefill(work, m, fresh, cached, batch);
  std::vector<Operation> operations;
  append_operations(operations, m, m.attention.blocks->layers.front(), LayerPart::attention, Pass::forward, work, {},
                    o);
  double sum = 0;
  for (const Operation& op : operations)
    if (op.name != "norm" && op.name != "residual") sum += seconds(kernels.cost(op.kernel).time) * 1e6;
  return sum;
}

TEST(BlockTables, ModulesAreWithinATenthAtTheMedian) {
  const std::string folder = test::source_dir() + "/../shared/data/kernels_new/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the measurement tables are not here: " << folder;
  const spec::Model m = spec::load_model("minimax-m3");
  for (const char* gpu : {"h100", "b200"}) {
    const auto kernels = make_calibrated("", true, spec::load_gpu(gpu));
    std::map<std::string, std::vector<double>> errors;
    for (const char* phase : {"decode", "prefill"}) {
      const formats::CsvTable csv(
          folder + "msa_" + phase + "_" + gpu + ".csv",
          {"library", "batch", "new_tokens", "cached_tokens", "heads", "weights", "kv_cache", "time_us"});
      for (std::size_t r = 0; r < csv.rows(); ++r) {
        if (csv.integer(r, "heads") > m.attention.heads) continue;  // of no released model
        errors[std::string(csv.text(r, "library")) + " " + phase].push_back(
            std::abs(module_microseconds(*kernels, m, csv, r) / csv.number(r, "time_us") - 1));
      }
    }
    test::expect_usual_errors(errors, gpu);
    EXPECT_EQ(errors.size(), 2u);
  }
}

// Published: decoding of many heads reaches 66 to 78 % of the HBM bandwidth on H100 (of long contexts up to 85 %, in
// the same tables), 39 to 61 % on B200; however few heads a GPU has, a module takes 24 us at least.
TEST(BlockTables, DecodingReachesPublishedShares) {
  const spec::Model m = spec::load_model("minimax-m3");
  for (const auto& [gpu, least, most] : {std::tuple("h100", 0.55, 0.86), std::tuple("b200", 0.36, 0.66)}) {
    const auto kernels = make_calibrated("", true, spec::load_gpu(gpu));
    const auto time_and_bytes = [&](int tensor, std::int64_t context, std::int64_t batch) {
      LayerOptions o;
      o.tensor = tensor, o.graphs = true;
      Batch work;
      add_decode(work, m, context, 1, batch);
      std::vector<Operation> operations;
      append_operations(operations, m, 3, LayerPart::attention, Pass::forward, work, {}, o);
      std::pair<double, double> sum;
      for (const Operation& op : operations)
        sum.first += seconds(kernels->cost(op.kernel).time), sum.second += double(op.bytes.v);
      return sum;
    };
    const auto [time, bytes] = time_and_bytes(1, 32768, 256);
    EXPECT_GT(bytes / time / kernels->gpu().memory_bandwidth.v, least) << gpu;
    EXPECT_LT(bytes / time / kernels->gpu().memory_bandwidth.v, most) << gpu;
    EXPECT_GT(time_and_bytes(8, 1024, 1).first, 24e-6) << gpu;
    EXPECT_LT(time_and_bytes(8, 1024, 1).first, 45e-6) << gpu;
  }
}
}  // namespace
}  // namespace moesim::compute
