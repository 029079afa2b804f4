// DeepSeek-V4's attention modules and hyper-connections against what was measured of them on H100 and B200 under SGLang
// and TensorRT-LLM (../shared/data/kernels_new, its README says what a row timed).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "compute/kernels/equation_model.h"
#include "compute/layers/index_kernels.h"
#include "formats/csv.h"
#include "spec/catalogue.h"
#include "support/places.h"
#include "unit/compute/sparse_rows.h"

namespace moesim::compute {
namespace {
const std::string kTables = test::source_dir() + "/../shared/data/kernels_new/";
constexpr double kMicro = 1e-6;
using test::EqualScores, test::Errors, test::Shape, test::shape_of;

void say(const char* gpu, const std::string& what, Errors& e) {
  std::printf("  %s %s: %zu rows, median %.1f %%, 90th percentile %.1f %%\n", gpu, what.c_str(), e.all.size(),
              100 * e.at(0.5), 100 * e.at(0.9));
}

/// Of CSA's choice of so many entries of 4 tokens, by this version of its kernel.
EqualScores equal_scores(const formats::CsvTable& csv, int picks, const std::string& version) {
  const auto is_flat = [&](std::size_t r) -> std::optional<bool> {
    const std::string scores(csv.text(r, "scores"));
    if (csv.text(r, "kernel") != "csa_topk" || csv.integer(r, "heads") != picks || !scores.starts_with(version))
      return std::nullopt;
    return scores.ends_with("flat");
  };
  return {csv, is_flat, 4.0 * picks};
}

class CompressedTables : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kTables)) GTEST_SKIP() << "the measurement tables are not here: " << kTables;
    gpu = spec::load_gpu(GetParam());
    model = make_calibrated("", true, gpu);
  }
  double microseconds(const Kernel& kernel) const { return seconds(model->cost(kernel).time) / kMicro; }
  /// The layer's kernels that a row of SGLang timed: without the norm before and the hyper-connections around.
  double module_microseconds(const spec::Model& m, const formats::CsvTable& csv, std::size_t r, bool decode) const {
    LayerOptions o;
    o.tensor = m.attention.heads / int(csv.integer(r, "heads"));
    o.graphs = true;
    o.precision.linear = csv.text(r, "weights") == "bfloat16" ? spec::Dtype::bf16 : spec::Dtype::fp8;
    o.precision.kv_cache = spec::Dtype::fp8;
    const Shape s = shape_of(csv, r);
    Batch batch;
    if (decode)
      add_decode(batch, m, s.cached, s.fresh, s.batch);
    else
      add_prefill(batch, m, s.fresh, s.cached, s.batch);
    const int layer = csv.text(r, "part") == "csa" ? 4 : 3;  // entries of 4 tokens, of 128
    std::vector<Operation> operations;
    append_operations(operations, m, layer, LayerPart::attention, Pass::forward, batch, {}, o);
    double sum = 0;
    for (const Operation& op : operations)
      if (op.name != "norm" && op.name != "streams in" && op.name != "streams out") sum += microseconds(op.kernel);
    return sum;
  }
  spec::Gpu gpu;
  std::unique_ptr<KernelModel> model;
};

TEST_P(CompressedTables, HyperConnectionsTakeWhatWasMeasured) {
  const formats::CsvTable csv(kTables + "mhc_h100_b200.csv",
                              {"gpu", "library", "op", "tokens", "streams", "hidden", "sites", "time_us"});
  std::map<std::string, Errors> errors;
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const bool out = csv.text(r, "op") == "post", trtllm = csv.text(r, "library").starts_with("trtllm");
    if (csv.text(r, "gpu") != GetParam()) continue;
    if (trtllm && !out) continue;  // three kernels by size: SGLang's stands in
    model->prefer_scans(trtllm ? ScanLibrary::trtllm : ScanLibrary::usual);
    const StreamMix mix{csv.integer(r, "tokens"), csv.integer(r, "hidden"), int(csv.integer(r, "streams")), out};
    errors[std::string(csv.text(r, "library")) + (out ? " out" : " in")].add(
        double(csv.integer(r, "sites")) * microseconds(mix), csv.number(r, "time_us"));
  }
  ASSERT_EQ(errors.size(), 5u);
  for (auto& [what, e] : errors) {
    say(GetParam(), what, e);
    EXPECT_LT(e.at(0.5), 0.10) << what;
    EXPECT_LT(e.at(0.9), 0.35) << what;
  }
}

TEST_P(CompressedTables, ModulesTakeWhatWasMeasured) {
  const formats::CsvTable single(kTables + "sparse_kernels_" + GetParam() + ".csv",
                                 {"kernel", "batch", "new_tokens", "cached_tokens", "heads", "scores", "time_us"});
  for (const char* phase : {"decode", "prefill"}) {
    const bool decode = phase == std::string("decode");
    std::map<std::string, Errors> errors;
    for (const char* name : {"deepseek-v4-flash", "deepseek-v4-pro"}) {
      const spec::Model m = spec::load_model(name);
      const EqualScores equal = equal_scores(single, m.attention.indexer->top_k, decode ? "v2" : "v1");
      const formats::CsvTable csv(
          kTables + "v4_" + phase + "_" + GetParam() + ".csv",
          {"model", "part", "batch", "new_tokens", "cached_tokens", "heads", "weights", "time_us"});
      for (std::size_t r = 0; r < csv.rows(); ++r) {
        if ((csv.text(r, "model") == "DeepSeek-V4-Flash") != (name == std::string("deepseek-v4-flash"))) continue;
        const std::string part(csv.text(r, "part"));
        const double extra = part == "csa" ? equal.microseconds(shape_of(csv, r)) : 0;
        errors[std::string(phase) + " " + part].add(module_microseconds(m, csv, r, decode),
                                                    std::max(1.0, csv.number(r, "time_us") - extra));
      }
    }
    for (auto& [what, e] : errors) {
      say(GetParam(), what, e);
      EXPECT_LT(e.at(0.5), 0.10) << what;
      EXPECT_LT(e.at(0.9), 0.35) << what;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Gpus, CompressedTables, testing::Values("h100", "b200"),
                         [](const auto& gpu) { return std::string(gpu.param); });
}  // namespace
}  // namespace moesim::compute
