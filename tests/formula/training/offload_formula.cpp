// Activations that the host keeps: what the GPU saves, and what the copies cost.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "training/rank_holds.h"
#include "training/step.h"

namespace moesim::training {
namespace {
Config scenario(double share, const std::string& model, double host = 64) {
  return Config::from_text(
      fmt::format("model: {}\ncluster: {{node: {{extends: hgx-h800, host_bandwidth: {} GB/s}}, nodes: 1, fabric: "
                  "ib-rail}}\ntraining: {{batch: 16, sequence: 2048, parallel: {{pipeline: 2, expert: {}}}{}}}\n",
                  model, host, model.find("mixtral") != std::string::npos ? 4 : 1,
                  share > 0 ? fmt::format(", offload_activations: {}", share) : ""),
      "offload.yaml");
}
const std::string kDense = "{extends: llama-2-7b, layers: 8}",
                  kExperts = "{extends: mixtral-8x7b, layers: 4, moe: {expert_width: 2048}}";
schedule::StepOutcome step(const Config& config) { return TrainingSetup(config, 3).run(0, nullptr); }
double peak(const Config& config) { return double(step(config).gpus.front().peak_memory.v); }

TEST(Offload, TheGpuKeepsTheRestAndTwoLayersOnTheirWay) {
  const TrainingSetup setup(scenario(0.5, kDense), 3);
  const TrainingPlan& plan = setup.plan();
  const double layer =
      double(compute::sum_of(compute::layer_activations(plan.model, 0, plan.batch, 0, plan.setup.options)).v);
  // 1F1B on 2 ranks: 2 micro-batches in flight in 4 layers.
  EXPECT_NEAR(peak(scenario(0, kDense)) - peak(scenario(0.5, kDense)), (2 * 4 * 0.5 - 2 * 0.5) * layer, 1e-3 * layer);
  EXPECT_EQ(rank_holds(plan, 0, 0).on_host.v, std::int64_t(0.5 * 4 * layer) * 2);
}

TEST(Offload, CopiesThatComputeHidesCostNothingAndSlowOnesTheirTime) {
  const double none = seconds(step(scenario(0, kDense)).step);
  EXPECT_EQ(seconds(step(scenario(1, kDense, 1e6)).step), none);
  const auto of_layer = [](const std::string& model) {
    const TrainingPlan plan = read_plan(scenario(0, model));
    return double(compute::sum_of(compute::layer_activations(plan.model, 0, plan.batch, 0, plan.setup.options)).v);
  };
  // At 1 GB/s nothing but copies is left: 4 layers of a rank, out and back, 4 micro-batches and one more in the
  // pipeline's ends.
  const double copies = 2 * 4 * of_layer(kDense) / 1e9 * (4 + 1);
  EXPECT_NEAR(seconds(step(scenario(1, kDense, 1)).step) / copies, 1, 0.02);
}

TEST(Offload, MoreOfItIsNeverFasterAndNeverFuller) {
  for (const std::string& model : {kDense, kExperts}) {
    double before = 0, full = 1e300;
    for (const double share : {0.0, 0.25, 0.5, 1.0}) {
      const schedule::StepOutcome out = step(scenario(share, model, 20));
      EXPECT_GE(seconds(out.step), before * (1 - 1e-12)) << share;
      // A first quarter saves less than the two layers on their way take.
      before = seconds(out.step);
      if (share == 0.25) continue;
      EXPECT_LT(double(out.gpus.front().peak_memory.v), full) << share;
      full = double(out.gpus.front().peak_memory.v);
    }
  }
}
}  // namespace
}  // namespace moesim::training
