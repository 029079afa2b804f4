// DSA's kernels and whole attention modules against what was measured of them on H100 and B200 under SGLang
// (../shared/data/kernels_new, its README says what a row timed).
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
constexpr int kPicks = 2048;
using test::EqualScores, test::Errors, test::Shape, test::shape_of;

Batch batch_of(const Shape& s, bool decode) {
  Batch batch;
  static const spec::Model model = spec::load_model("deepseek-v3.2");  // all of them pick as many keys
  if (decode)
    add_decode(batch, model, s.cached, s.fresh, s.batch);
  else
    add_prefill(batch, model, s.fresh, s.cached, s.batch);
  return batch;
}

class SparseTables : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kTables)) GTEST_SKIP() << "the measurement tables are not here: " << kTables;
    gpu = spec::load_gpu(GetParam());
    model = make_calibrated("", true, gpu);
  }
  double microseconds(const Kernel& kernel) const { return seconds(model->cost(kernel).time) / kMicro; }
  formats::CsvTable table(const std::string& name) const {
    const std::vector<std::string_view> columns =
        name == "sparse_kernels"
            ? std::vector<std::string_view>{"gpu",           "library", "kernel", "batch",  "new_tokens",
                                            "cached_tokens", "heads",   "scores", "time_us"}
            : std::vector<std::string_view>{"gpu",        "library",       "path",  "model",   "part",     "batch",
                                            "new_tokens", "cached_tokens", "heads", "weights", "kv_cache", "time_us"};
    return {kTables + name + "_" + GetParam() + ".csv", columns};
  }
  spec::Gpu gpu;
  std::unique_ptr<KernelModel> model;
};

TEST_P(SparseTables, SingleKernelsTakeWhatWasMeasured) {
  std::map<std::string, Errors> errors;
  const formats::CsvTable csv = table("sparse_kernels");
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const std::string kernel(csv.text(r, "kernel")), scores(csv.text(r, "scores"));
    const Batch batch = batch_of(shape_of(csv, r), false);
    const int heads = int(csv.integer(r, "heads"));
    const double measured = csv.number(r, "time_us");
    if (kernel == "dsa_indexer_scores")
      errors[kernel].add(microseconds(IndexScores{heads, 128, batch.prefill}), measured);
    if (kernel == "dsa_topk" && scores == "top_last")
      errors[kernel].add(microseconds(index_top_k(kPicks, batch.prefill, batch.window_prefill, false)), measured);
    if (kernel == "dsa_sparse_mla")
      errors[kernel].add(microseconds(SparsePrefill{
                             {spec::AttentionKind::mla, heads, 1, 576, 512, true}, batch.window_prefill, kPicks}),
                         measured);
  }
  ASSERT_EQ(errors.size(), 3u);
  for (auto& [kernel, e] : errors) {
    EXPECT_GT(e.all.size(), 100u) << kernel;
    EXPECT_LT(e.at(0.5), 0.10) << kernel;
    EXPECT_LT(e.at(0.9), 0.35) << kernel;
    std::printf("  %s %s: %zu rows, median %.1f %%, 90th percentile %.1f %%\n", GetParam(), kernel.c_str(),
                e.all.size(), 100 * e.at(0.5), 100 * e.at(0.9));
  }
}

/// Prompts are launched one kernel after the other, and no row is shorter than its host needs: microseconds, read off
/// the rows with few tokens.
double host_needs(const std::string& path, bool fp8) {
  if (path.starts_with("skip")) return fp8 ? 600 : 360;
  if (path.starts_with("dense")) return fp8 ? 825 : 505;
  return fp8 ? 1430 : 1062;
}

/// The layer's kernels that a row of SGLang timed: without the norm before, the down-projections and the residual sum.
double module_microseconds(const KernelModel& kernels, const formats::CsvTable& csv, std::size_t r) {
  const std::string name(csv.text(r, "model"));
  const spec::Model model = spec::load_model(name == "DeepSeek-V3.2" ? "deepseek-v3.2"
                                             : name == "GLM-5"       ? "glm-5"
                                                                     : "glm-5.2");
  LayerOptions o;
  o.tensor = model.attention.heads / int(csv.integer(r, "heads"));
  o.graphs = true;
  o.precision.linear = csv.text(r, "weights") == "bfloat16" ? spec::Dtype::bf16 : spec::Dtype::fp8;
  o.precision.kv_cache = csv.text(r, "kv_cache") == "fp8" ? spec::Dtype::fp8 : spec::Dtype::bf16;
  const Shape s = shape_of(csv, r);
  const int layer = csv.text(r, "part") == "dsa" ? 6 : 7;  // of GLM-5.2: with an indexer, and without
  std::vector<Operation> operations;
  append_operations(operations, model, layer, LayerPart::attention, Pass::forward, batch_of(s, s.fresh == 1), {}, o);
  double sum = 0;
  for (const Operation& op : operations)
    if (op.name != "norm" && op.name != "cast" && op.name != "residual" && op.name != "q_a" && op.name != "kv_a")
      sum += seconds(kernels.cost(op.kernel).time) / kMicro;
  return sum;
}

/// Rows of one kind: all, those that the GPU bounds and not its host, and of these the ones whose caches are not so
/// long that work between the kernels shows which nobody has explained (reports/kernels.md).
struct ModuleErrors {
  Errors all, device, usual;
};
void say(const char* gpu, const char* phase, const char* which, Errors& e) {
  std::printf("  %s %s, %s: %zu rows, median %.1f %%, 90th percentile %.1f %%\n", gpu, phase, which, e.all.size(),
              100 * e.at(0.5), 100 * e.at(0.9));
}

TEST_P(SparseTables, ModulesTakeWhatWasMeasured) {
  constexpr std::int64_t kLongCaches = 2'000'000;  // cached tokens of all sequences
  const formats::CsvTable single = table("sparse_kernels");
  const EqualScores equal(
      single,
      [&](std::size_t r) -> std::optional<bool> {
        if (single.text(r, "kernel") != "dsa_topk") return std::nullopt;
        return single.text(r, "scores") == "flat";
      },
      kPicks);
  for (const char* phase : {"dsa_decode", "dsa_prefill"}) {
    ModuleErrors errors;
    const formats::CsvTable csv = table(phase);
    for (std::size_t r = 0; r < csv.rows(); ++r) {
      const std::string path(csv.text(r, "path"));
      const Shape s = shape_of(csv, r);
      const double predicted = module_microseconds(*model, csv, r), measured = csv.number(r, "time_us");
      const double extra = path.starts_with("indexer") ? equal.microseconds(s) : 0;
      const double host =
          phase == std::string("dsa_prefill") ? host_needs(path, csv.text(r, "weights") == "fp8_block") : 0;
      if (predicted + extra < host) {
        errors.all.add(host, measured);
        continue;
      }
      const double alone = std::max(1.0, measured - extra);
      errors.all.add(predicted, alone), errors.device.add(predicted, alone);
      if (s.batch * s.cached < kLongCaches || host == 0) errors.usual.add(predicted, alone);
    }
    say(GetParam(), phase, "all", errors.all);
    say(GetParam(), phase, "bound by the GPU", errors.device);
    say(GetParam(), phase, "of these without long caches", errors.usual);
    for (Errors* const e : {&errors.all, &errors.device, &errors.usual}) EXPECT_LT(e->at(0.5), 0.10) << phase;
    EXPECT_LT(errors.all.at(0.9), 0.35) << phase;
    EXPECT_LT(errors.usual.at(0.9), 0.25) << phase;
  }
}
INSTANTIATE_TEST_SUITE_P(Gpus, SparseTables, testing::Values("h100", "b200"),
                         [](const auto& gpu) { return std::string(gpu.param); });

// From 4 K to 128 K tokens a layer of V3.2 in decode grows by the scores of its indexer, V3's by its whole cache.
TEST(SparseAttention, DecodingGrowsSlowerThanWithDenseLatents) {
  const auto kernels = make_calibrated("", true, spec::load_gpu("h200"));
  const auto layer = [&](const char* name, std::int64_t context) {
    const spec::Model model = spec::load_model(name);
    Batch batch;
    add_decode(batch, model, context - 1, 1, 64);
    LayerOptions o;
    o.precision = {.linear = spec::Dtype::fp8, .kv_cache = spec::Dtype::fp8};
    std::vector<Operation> operations;
    append_operations(operations, model, 5, LayerPart::attention, Pass::forward, batch, {}, o);
    double sum = 0;
    for (const Operation& op : operations) sum += seconds(kernels->cost(op.kernel).time);
    return sum;
  };
  const double sparse = layer("deepseek-v3.2", 131072) - layer("deepseek-v3.2", 4096),
               dense = layer("deepseek-v3", 131072) - layer("deepseek-v3", 4096);
  // Bytes alone: 132 of an index key against 656 of a latent.
  EXPECT_GT(dense / sparse, 2);
  EXPECT_LT(dense / sparse, 656.0 / 132 * 2);
}
}  // namespace
}  // namespace moesim::compute
