// Kernels of Kimi Delta Attention against published rates of large batches.
#include <gtest/gtest.h>

#include "compute/kernels/kernel_model.h"
#include "spec/catalogue.h"

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

}  // namespace
}  // namespace moesim::compute::kda_rates
