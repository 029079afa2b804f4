// Kernels of Kimi Delta Attention against what was measured of them: published rates of large batches, and tables of
// single kernels where they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "compute/kernels/kernel_model.h"
#include "formats/csv.h"
#include "spec/catalogue.h"
#include "support/places.h"
#include "unit/compute/kernel_errors.h"

namespace moesim::compute::kda_rates {
namespace {
std::unique_ptr<KernelModel> model_of(const std::string& gpu, const std::string& scans) {
  return kernel_models().make(Config::from_text("{kind: calibrated, sustained: false, scans: " + scans + "}", "test"),
                              spec::load_gpu(gpu));
}

StateScan scan_of(int heads, std::int64_t sequences, std::int64_t each) {
  StateScan s{
      .kind = Recurrence::kimi_delta, .key_heads = heads, .value_heads = heads, .key_dim = 128, .value_dim = 128};
  s.sequences = sequences, s.tokens = sequences * each, s.longest = each;
  return s;
}

// Nanoseconds a token of 96 heads, many sequences.  Source: public benchmarks of SGLang 0.5.16 (Triton) and vLLM
// (FlashKDA), NVIDIA aiconfigurator 095f58a.
TEST(KdaRates, LargeBatchesArePublishedRates) {
  const auto rate = [](const char* gpu, const char* scans) {
    return seconds(model_of(gpu, scans)->cost(scan_of(96, 16, 4096)).time) / (16 * 4096) * 1e9;
  };
  EXPECT_NEAR(rate("h100", "triton"), 440, 44);
  EXPECT_NEAR(rate("b200", "triton"), 291, 29);
  EXPECT_NEAR(rate("h100", "flashinfer"), 112, 12);
  EXPECT_NEAR(rate("b200", "flashinfer"), 80, 11);
}

// Share of the HBM bandwidth reached by next tokens of large batches: 64 to 84 % of the scan alone, 70 to 87 % in one
// kernel with what surrounds it.  A rate of 12 heads: the eighth of a model.
TEST(KdaRates, LargeStatesStreamAtPublishedShares) {
  for (const char* gpu : {"h100", "b200"})
    for (const char* scans : {"triton", "flashinfer"})
      for (const int taps : {0, 4}) {
        StateScan s = scan_of(96, 256, 1);
        s.decode = true, s.taps = taps;
        const auto model = model_of(gpu, scans);
        const double share = double(bytes_of(s).v) / seconds(model->cost(s).time) / model->gpu().memory_bandwidth.v;
        EXPECT_GT(share, 0.64) << gpu << ' ' << scans << ' ' << taps;
        EXPECT_LT(share, 0.88) << gpu << ' ' << scans << ' ' << taps;
      }
}

// However many SMs there are, one sequence walks chunk by chunk: on a GPU of twice the rate a long prompt of 12 heads
// gains little, a batch of them more.
TEST(KdaRates, OneSequenceGainsLittleFromAFasterGpu) {
  const auto gain = [](std::int64_t sequences) {
    const StateScan s = scan_of(12, sequences, 16384);
    return seconds(model_of("h100", "flashinfer")->cost(s).time) /
           seconds(model_of("b200", "flashinfer")->cost(s).time);
  };
  EXPECT_LT(gain(1), 1.2);
  EXPECT_GT(gain(32), gain(1));
}

/// One row's kernels: three calls of one convolution are three.
double predicted(const KernelModel& model, const formats::CsvTable& csv, std::size_t row) {
  const auto whole = [&](const char* key) { return csv.integer(row, key); };
  const auto time = [&](const Kernel& kernel) { return seconds(model.cost(kernel).time) * 1e6; };
  const bool decode = csv.text(row, "phase") != "prefill";
  const std::int64_t batch = whole("batch"), each = whole("seq"), width = whole("v_heads") * whole("v_dim");
  const std::string kernel(csv.text(row, "kernel"));
  if (kernel == "causal_conv1d_fn_qkv3")
    return 3 * time(ShortConvolution{width, 4, batch, batch * each, false, Recurrence::kimi_delta});
  if (kernel == "causal_conv1d_update")
    return time(ShortConvolution{3 * width, 4, batch, batch * each, true, Recurrence::kimi_delta});
  StateScan s = scan_of(int(whole("v_heads")), batch, each);
  s.decode = decode;
  s.taps = kernel == "kda_fused_decode" || kernel == "fused_kda_decode" ? 4 : 0;
  return time(s);
}

/// Whether its states stay in the L2 cache from one replay to the next, as no request's do.
bool is_warm(const formats::CsvTable& csv, std::size_t row, Bytes l2) {
  if (csv.text(row, "phase") == "prefill" || csv.text(row, "kernel") == "causal_conv1d_update") return false;
  const std::int64_t written = csv.text(row, "phase") == "verify" ? 1 + csv.integer(row, "seq") : 1;
  const std::int64_t bytes = 4 * csv.integer(row, "v_heads") * 128 * 128 * csv.integer(row, "batch") * written;
  return bytes > 4'000'000 && bytes < l2.v;
}

TEST(KdaRates, SingleKernelsAreWithinATenthAtTheMedian) {
  const std::string folder = test::source_dir() + "/../shared/data/kernels_new/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the measurement tables are not here: " << folder;
  int classes = 0;
  for (const char* gpu : {"h100", "b200"}) {
    const formats::CsvTable csv(folder + "kda_" + gpu + ".csv",
                                {"library", "kernel", "phase", "batch", "seq", "v_heads", "v_dim", "time_us"});
    std::map<std::string, std::vector<double>> errors;
    const auto sglang = model_of(gpu, "triton"), vllm = model_of(gpu, "flashinfer");
    for (std::size_t row = 0; row < csv.rows(); ++row) {
      const std::string kernel(csv.text(row, "kernel"));
      // A kernel of its own, for drafts of one system: no layer here asks for it.
      if (kernel == "fused_kda_decode_mtp_dspark" || is_warm(csv, row, spec::load_gpu(gpu).l2)) continue;
      const bool other = csv.text(row, "library").starts_with("vllm");
      errors[std::string(csv.text(row, "library")) + " " + kernel].push_back(
          std::abs(predicted(other ? *vllm : *sglang, csv, row) / csv.number(row, "time_us") - 1));
    }
    test::expect_usual_errors(errors, gpu);
    classes += int(errors.size());
  }
  EXPECT_EQ(classes, 21);
}
}  // namespace
}  // namespace moesim::compute::kda_rates
