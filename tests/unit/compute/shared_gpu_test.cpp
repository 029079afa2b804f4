// Kernels beside others: what is remembered of one share of a GPU is not taken for another.
#include <gtest/gtest.h>

#include "compute/kernels/kernel_model.h"

namespace moesim::compute {
namespace {
/// A second for each SM, and ten for the whole of the memory's bandwidth.
class ByShare final : public KernelModel {
 public:
  ByShare() : KernelModel(gpu()) {}
  std::string source() const override { return "told"; }
  KernelError error() const override { return {}; }
  KernelError borrowed_error() const override { return {}; }

 private:
  static spec::Gpu gpu() {
    spec::Gpu out;
    out.sms = 8;
    out.bf16 = {std::numeric_limits<double>::infinity()};
    out.memory_bandwidth = {std::numeric_limits<double>::infinity()};
    return out;
  }
  Estimate estimate(const Kernel&, GpuShare share) const override {
    return {share.sms + 10 * share.memory, {Origin::equation}};
  }
};

TEST(KernelCosts, EachShareOfAGpuHasItsOwn) {
  const ByShare model;
  KernelCosts costs(model);
  const Kernel kernel = Gemm{.m = 16, .n = 16, .k = 16};
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(costs.cost(kernel, {8, 1}).time, 18_s);
    EXPECT_EQ(costs.cost(kernel, {4, 1}).time, 14_s);
    EXPECT_EQ(costs.cost(kernel, {4, 0.5}).time, 9_s);
  }
}
}  // namespace
}  // namespace moesim::compute
