// Kernels of Mamba-2 against published rates of large batches.
#include <gtest/gtest.h>

#include "compute/kernels/kernel_model.h"
#include "spec/catalogue.h"

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

}  // namespace
}  // namespace moesim::compute::mamba_rates
