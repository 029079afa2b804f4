// Kernels of Mamba-2 against what was measured of them: published rates of large batches, and tables of single kernels
// where they are.
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

namespace moesim::compute::mamba_rates {
namespace {
std::unique_ptr<KernelModel> model_of(const std::string& gpu) {
  return kernel_models().make(Config::from_text("{kind: calibrated, sustained: false, scans: trtllm}", "test"),
                              spec::load_gpu(gpu));
}

StateScan scan_of(int heads, std::int64_t sequences, std::int64_t each) {
  StateScan s{.kind = Recurrence::mamba2, .key_heads = 8, .value_heads = heads, .key_dim = 128, .value_dim = 64};
  s.sequences = sequences, s.tokens = sequences * each, s.longest = each;
  return s;
}

// mamba_chunk_scan_combined of TensorRT-LLM on B200, ns a token: 39 (many sequences) to 93 (one) of 64 heads, 157 to
// 184 of 256.  Source: NVIDIA aiconfigurator 095f58a, drawn from rows that the fit did not have (256 heads).
TEST(MambaRates, LargeBatchesArePublishedRates) {
  const auto model = model_of("b200");
  const auto rate = [&](int heads, std::int64_t sequences, std::int64_t each) {
    return seconds(model->cost(scan_of(heads, sequences, each)).time) / double(sequences * each) * 1e9;
  };
  EXPECT_NEAR(rate(64, 64, 4096), 39, 4);
  EXPECT_NEAR(rate(64, 1, 16384), 87, 9);
  EXPECT_NEAR(rate(256, 8, 8192), 160, 24);
  EXPECT_NEAR(rate(256, 1, 8192), 180, 27);
}

// Nobody published times of next tokens: as gated DeltaNet's states, and said so.
TEST(MambaRates, NextTokensMoveStatesAsGatedDeltaNetDoes) {
  const auto model = model_of("b200");
  StateScan s = scan_of(64, 256, 1);
  s.decode = true;
  const Cost cost = model->cost(s);
  EXPECT_EQ(cost.from.lender, Lender::gated_delta);
  const double share = double(bytes_of(s).v) / seconds(cost.time) / model->gpu().memory_bandwidth.v;
  EXPECT_NEAR(share, 0.79, 0.05);
}

/// One row's kernel.
Kernel kernel_of(const formats::CsvTable& csv, std::size_t row) {
  const auto whole = [&](const char* key) { return csv.integer(row, key); };
  const std::int64_t batch = whole("batch"), each = whole("seq"), tokens = batch * each;
  const std::int64_t channels = whole("heads") * whole("head_dim") + 2 * whole("groups") * whole("d_state");
  if (csv.text(row, "kernel").starts_with("causal_conv1d"))
    return ShortConvolution{channels, 4, batch, tokens, csv.text(row, "phase") == "decode"};
  return scan_of(int(whole("heads")), batch, each);
}

TEST(MambaRates, SingleKernelsAreWithinATenthAtTheMedian) {
  const std::string folder = test::source_dir() + "/../shared/data/kernels_new/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the measurement tables are not here: " << folder;
  int classes = 0;
  for (const auto& [gpu, file] : {std::pair("h100", "mamba2_conv_h100.csv"), std::pair("b200", "mamba2_b200.csv")}) {
    const formats::CsvTable csv(
        folder + file, {"kernel", "phase", "batch", "seq", "heads", "head_dim", "d_state", "groups", "time_us"});
    std::map<std::string, std::vector<double>> errors;
    const auto model = model_of(gpu);
    for (std::size_t row = 0; row < csv.rows(); ++row)
      errors[std::string(csv.text(row, "kernel"))].push_back(
          std::abs(seconds(model->cost(kernel_of(csv, row)).time) * 1e6 / csv.number(row, "time_us") - 1));
    test::expect_usual_errors(errors, gpu);
    classes += int(errors.size());
  }
  EXPECT_EQ(classes, 5);
}
}  // namespace
}  // namespace moesim::compute::mamba_rates
