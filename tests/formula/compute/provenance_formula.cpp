// Where a run's kernel times came from, of twenty seconds of kernels.
#include "compute/kernels/provenance.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/pin.h"

namespace moesim::compute {
namespace {
using test::pin;

/// A chain of i kernels takes what the i-th entry says; anything else a tenth of a second, nine times out of range.
class Told final : public KernelModel {
 public:
  explicit Told(spec::Gpu gpu) : KernelModel(std::move(gpu)) {}
  std::string source() const override { return "told"; }
  KernelError error() const override { return {.median = 0.08, .ninetieth = 0.2}; }
  KernelError borrowed_error() const override { return {.median = 0.15, .ninetieth = 0.4}; }

 private:
  Estimate estimate(const Kernel& kernel, GpuShare) const override {
    const Estimate told[] = {{1, {Origin::measured}},
                             {4, {Origin::interpolated, 1, true}},
                             {5.9, {Origin::extrapolated, 4}},
                             {3, {Origin::equation, 1, false, Lender::latent_attention}},
                             {1, {Origin::equation, 1, true, Lender::other_moves}},
                             {4, {Origin::equation}}};
    if (const auto* chain = std::get_if<SmallChain>(&kernel)) return told[chain->count - 1];
    return {0.1, {Origin::extrapolated, 9}};
  }
};

spec::Gpu boundless() {
  spec::Gpu gpu;
  gpu.sms = 1;
  gpu.bf16 = {std::numeric_limits<double>::infinity()};
  gpu.memory_bandwidth = {std::numeric_limits<double>::infinity()};
  return gpu;
}

TEST(ProvenanceFormula, SharesAreOfTheTimeAskedFor) {
  const Told model(boundless());
  KernelCosts costs(model);
  for (const int chain : {1, 1, 2, 3, 4, 5, 6}) costs.cost(SmallChain{chain});  // the first is asked for twice
  costs.cost(MemoryOp{MemoryKind::copy, 1_B});
  results::Results results(":memory:", {});
  write_provenance(results, costs.summary());
  write_provenance(results, costs.summary(), "pool:both");
  pin(results, "kernel_time_measured_share", "run", 2.0 / 20);
  pin(results, "kernel_time_interpolated_share", "run", 4.0 / 20);
  pin(results, "kernel_time_extrapolated_share", "run", 6.0 / 20);
  pin(results, "kernel_time_equation_share", "run", 8.0 / 20);
  pin(results, "kernel_time_borrowed_share", "run", 5.0 / 20);
  pin(results, "kernel_time_lent_share", "lender:latent attention", 3.0 / 20);
  pin(results, "kernel_time_lent_share", "pool:both,lender:other moves", 1.0 / 20);
  pin(results, "kernel_error_median", "run", 0.08);
  pin(results, "kernel_error_p90", "run", 0.2);
  pin(results, "kernel_error_borrowed_median", "run", 0.15);
  pin(results, "kernel_error_borrowed_p90", "run", 0.4);
  // The copy lies farther out, but takes half a hundredth of the time.
  pin(results, "largest_extrapolation", "run", 4);
  const std::string kernel = "kernel:" + describe(SmallChain{3});
  pin(results, "largest_extrapolation", kernel, 4);
  pin(results, "kernel_time_extrapolated_share", kernel, 5.9 / 20);
  pin(results, "kernel_time_extrapolated_share", "pool:both," + kernel, 5.9 / 20);
  EXPECT_FALSE(results.has_metric("kernel_time_lent_share", "lender:fp8 products"));
}

// Two kinds take a hundredth or more: the one farther out is named, and its share is of its own kind alone.
TEST(ProvenanceFormula, OfKindsThatMatterTheFarthestIsNamed) {
  const Told model(boundless());
  KernelCosts costs(model);
  costs.cost(SmallChain{3});
  costs.cost(MemoryOp{MemoryKind::copy, 1_B});
  const KernelCosts::Summary s = costs.summary();
  EXPECT_EQ(s.beyond, 9);
  EXPECT_NEAR(s.beyond_share, 0.1 / 6, 1e-9);
}
}  // namespace
}  // namespace moesim::compute
