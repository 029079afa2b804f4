// Kernels of gated DeltaNet against published rates of large batches.
#include <gtest/gtest.h>

#include "compute/kernels/kernel_model.h"
#include "spec/catalogue.h"

namespace moesim::compute::recurrent_rates {
namespace {
std::unique_ptr<KernelModel> model_of(const std::string& gpu, const std::string& scans) {
  return kernel_models().make(Config::from_text("{kind: calibrated, sustained: false, scans: " + scans + "}", "test"),
                              spec::load_gpu(gpu));
}

StateScan scan_of(int key_heads, int value_heads, std::int64_t sequences, std::int64_t each) {
  StateScan s{.key_heads = key_heads, .value_heads = value_heads, .key_dim = 128, .value_dim = 128};
  s.sequences = sequences, s.tokens = sequences * each, s.longest = each;
  return s;
}

// Nanoseconds a token, 16 key and 64 value heads, many sequences; and of 8 value heads, one sequence of 16 k tokens.
// Source: public benchmarks of SGLang 0.5.14 (Triton) and vLLM 0.24.0 (FlashInfer), NVIDIA aiconfigurator 095f58a.
TEST(RecurrentRates, LargeBatchesArePublishedRates) {
  const auto rate = [](const char* gpu, const char* scans) {
    return seconds(model_of(gpu, scans)->cost(scan_of(16, 64, 32, 4096)).time) / (32 * 4096) * 1e9;
  };
  EXPECT_NEAR(rate("h100", "triton"), 167, 25);
  EXPECT_NEAR(rate("b200", "triton"), 104, 16);
  EXPECT_NEAR(rate("h100", "flashinfer"), 28, 4);
  EXPECT_NEAR(rate("b200", "flashinfer"), 24, 6);
  for (const char* gpu : {"h100", "h200", "b200"}) {
    const double one = seconds(model_of(gpu, "flashinfer")->cost(scan_of(2, 8, 1, 16384)).time) / 16 * 1e6;
    EXPECT_GT(one, 36) << gpu;
    EXPECT_LT(one, 52) << gpu;
  }
}

// Share of the HBM bandwidth reached in decoding from 100 MB of states on: H100 86 to 90 %, B200 78 to 86 %.
TEST(RecurrentRates, LargeStatesStreamAtPublishedShares) {
  const auto share = [](const char* gpu) {
    StateScan s = scan_of(16, 64, 64, 1);
    s.decode = true;
    const auto model = model_of(gpu, "usual");
    return double(bytes_of(s).v) / seconds(model->cost(s).time) / model->gpu().memory_bandwidth.v;
  };
  EXPECT_NEAR(share("h100"), 0.88, 0.04);
  EXPECT_NEAR(share("b200"), 0.8, 0.05);
}

}  // namespace
}  // namespace moesim::compute::recurrent_rates
