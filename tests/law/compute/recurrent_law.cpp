// What holds for kernels of layers that keep a state, on every GPU, over random shapes.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "compute/kernels/kernel_model.h"
#include "core/ceil_div.h"
#include "core/random.h"
#include "spec/catalogue.h"
#include "support/rounds.h"

namespace moesim::compute::states {
namespace {
struct Case {
  std::string kernels, gpu;
};
class EveryStateModel : public testing::TestWithParam<Case> {
 protected:
  spec::Gpu gpu = spec::load_gpu(GetParam().gpu);
  std::unique_ptr<KernelModel> model =
      kernel_models().make(Config::from_text("{" + GetParam().kernels + "}", "test"), gpu);
  double time(const Kernel& k, GpuShare share = {}) const { return seconds(model->cost(k, share).time); }
};

std::int64_t size(Random& random, double low, double high) {
  return std::int64_t(std::exp(std::log(low) + random.uniform() * std::log(high / low)));
}
/// Sequences of one length each.
StateScan any_scan(Random& random) {
  StateScan s;
  s.key_heads = 1 << random.below(5);
  s.value_heads = s.key_heads << random.below(3);
  s.key_dim = s.value_dim = 64 << random.below(2);
  s.kind = std::array{Recurrence::gated_delta, Recurrence::mamba2, Recurrence::kimi_delta}[random.below(3)];
  if (s.kind == Recurrence::kimi_delta) s.key_heads = s.value_heads;
  s.decode = random.below(2) == 0;
  if (s.kind == Recurrence::kimi_delta && s.decode && random.below(2) == 0) s.taps = 4;
  s.backward = !s.decode && random.below(3) == 0;
  s.resumed = !s.decode && random.below(2) == 0;
  s.sequences = size(random, 2, 300);
  s.longest = s.decode ? 1 : size(random, 1, 30'000);
  // What does not fill its chunks is measured to take longer than what does, so whole ones are compared.
  if (s.kind == Recurrence::mamba2 && !s.decode) s.longest = ceil_div(s.longest, kMambaChunk) * kMambaChunk;
  s.tokens = s.sequences * s.longest;
  return s;
}
ShortConvolution any_convolution(Random& random) {
  const bool decode = random.below(2) == 0;
  const std::int64_t sequences = size(random, 2, 300);
  return {64 * size(random, 1, 200),
          4,
          sequences,
          decode ? sequences : sequences * size(random, 1, 30'000),
          decode,
          random.below(2) == 0 ? Recurrence::gated_delta : Recurrence::kimi_delta};
}

TEST_P(EveryStateModel, NeverBeatsTheDataSheetAndMoreOfTheGpuIsNeverSlower) {
  Random random(1, "states");
  for (int i = 0; i < test::rounds(1000); ++i)
    for (const Kernel& kernel : {Kernel{any_scan(random)}, Kernel{any_convolution(random)}}) {
      const int few = int(1 + random.below(std::uint64_t(gpu.sms))),
                more = few + int(random.below(std::uint64_t(gpu.sms - few + 1)));
      const double less = 0.05 + 0.9 * random.uniform(), t = time(kernel, {few, less});
      EXPECT_GE(t * gpu.bf16.v * few / gpu.sms, flops_of(kernel).v * (1 - 1e-12)) << describe(kernel);
      EXPECT_GE(t * gpu.memory_bandwidth.v * less, double(bytes_of(kernel).v) * (1 - 1e-12)) << describe(kernel);
      EXPECT_LE(time(kernel, {more, 1}), time(kernel, {few, 1})) << describe(kernel);
      EXPECT_LE(time(kernel, {few, 1}), t) << describe(kernel);
    }
}

TEST_P(EveryStateModel, MoreWorkIsNeverFaster) {
  Random random(2, "states");
  for (int i = 0; i < test::rounds(1000); ++i) {
    const StateScan s = any_scan(random);
    StateScan more = s;
    more.sequences += size(random, 1, 50);
    more.tokens = more.sequences * more.longest;
    EXPECT_GE(time(more), time(s)) << describe(s);
    if (s.decode) continue;
    StateScan longer = s;
    longer.longest += size(random, 1, 1000) * (s.kind == Recurrence::mamba2 ? kMambaChunk : 1);
    longer.tokens = longer.sequences * longer.longest;
    EXPECT_GE(time(longer), time(s)) << describe(s);
    StateScan resumed = s, gradient = s;
    resumed.resumed = true, gradient.backward = true;
    EXPECT_GE(time(resumed), time(s)) << describe(s);
    EXPECT_GE(time(gradient), time(s)) << describe(s);
  }
}

TEST_P(EveryStateModel, CuttingABatchGainsNothing) {
  Random random(3, "states");
  for (int i = 0; i < test::rounds(1000); ++i) {
    const StateScan whole = any_scan(random);
    StateScan first = whole, second = whole;
    first.sequences = 1 + std::int64_t(random.below(std::uint64_t(whole.sequences - 1)));
    second.sequences = whole.sequences - first.sequences;
    first.tokens = first.sequences * first.longest, second.tokens = second.sequences * second.longest;
    EXPECT_GE(time(first) + time(second), time(whole) - 2e-12) << describe(whole);
    const ShortConvolution all = any_convolution(random);
    ShortConvolution a = all, b = all;
    a.tokens = 1 + std::int64_t(random.below(std::uint64_t(all.tokens - 1)));
    b.tokens = all.tokens - a.tokens;
    if (all.decode) a.sequences = a.tokens, b.sequences = b.tokens;
    EXPECT_GE(time(a) + time(b), time(all) - 2e-12) << describe(all);
  }
}

TEST_P(EveryStateModel, SameQuestionSameAnswerFromTheCache) {
  Random random(4, "states");
  KernelCosts costs(*model, 64);
  for (int i = 0; i < test::rounds(500); ++i)
    for (const Kernel& kernel : {Kernel{any_scan(random)}, Kernel{any_convolution(random)}}) {
      EXPECT_EQ(costs.cost(kernel).time, model->cost(kernel).time);
      EXPECT_EQ(costs.cost(kernel).from.origin, model->cost(kernel).from.origin);
    }
}

INSTANTIATE_TEST_SUITE_P(All, EveryStateModel,
                         testing::Values(Case{"kind: calibrated, scans: triton", "h800"},
                                         Case{"kind: calibrated, scans: flashinfer", "h200"},
                                         Case{"kind: calibrated, scans: flashinfer", "b200"},
                                         Case{"kind: calibrated, scans: trtllm", "b200"},
                                         Case{"kind: calibrated", "l40s"}, Case{"kind: roofline", "h800"}),
                         [](const auto& c) { return c.param.gpu + "_" + std::to_string(c.index); });
}  // namespace
}  // namespace moesim::compute::states
