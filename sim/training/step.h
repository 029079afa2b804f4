// Training steps simulated GPU by GPU, and the figures that follow from them.
#pragma once
#include <memory>
#include <vector>

#include "compute/kernels/kernel_model.h"
#include "network/network.h"
#include "network/network_report.h"
#include "results/results.h"
#include "results/span.h"
#include "schedule/executor/executor.h"
#include "training/costs.h"
#include "training/loads.h"
#include "training/plan.h"
#include "training/rebalancing.h"

namespace moesim::training {

/// Everything that a scenario's steps need, in the order it is built.
class TrainingSetup {
 public:
  /// Reads model, cluster, training, network, kernels, routing, placement.  Throws ConfigError for wrong input and for
  /// what does not fit into the GPUs.
  TrainingSetup(const Config& scenario, std::uint64_t seed, const PlanChange& change = {});
  ~TrainingSetup();

  const TrainingPlan& plan() const { return plan_; }
  network::Network& network() { return *network_; }
  TrainingCosts& costs() { return *costs_; }
  compute::KernelCosts& kernels() { return *kernels_; }
  Engine& engine() { return engine_; }
  const TrainingLoads* loads() const { return loads_.get(); }
  const std::vector<exchange::ExpertMap>& placement() const { return placement_; }
  /// Null if the placement stays.
  const Rebalancing* rebalancing() const { return rebalancing_.get(); }
  const routing::TrafficSource* traffic() const { return traffic_.get(); }

  /// Bytes by kind of link of all GPUs, those that simulated ones stand for included.
  network::LinkTotals link_totals_of_all();

  /// Runs step number `step` from the engine's now.
  schedule::StepOutcome run(std::int64_t step, results::SpanLog* spans);

 private:
  int gpus_a_simulated_one() const { return plan_.gpus_per_stage / (plan_.replicas * plan_.members); }

  TrainingPlan plan_;
  Engine engine_;
  std::unique_ptr<network::Network> network_;
  std::unique_ptr<compute::KernelModel> kernel_model_;
  std::unique_ptr<compute::KernelCosts> kernels_;
  std::unique_ptr<routing::TrafficSource> traffic_;
  std::vector<exchange::ExpertMap> placement_;
  std::unique_ptr<TrainingLoads> loads_;
  std::unique_ptr<TrainingCosts> costs_;
  std::unique_ptr<Rebalancing> rebalancing_;
  network::LinkTotals collectives_{};  // of all GPUs; kept only where simulated GPUs stand for others
};

/// Means over the GPUs of some steps, in seconds.
struct StepFigures {
  double step_time = 0;
  std::array<double, schedule::kSpent> spent{};              // adds up to step_time
  std::vector<std::array<double, schedule::kSpent>> stages;  // (ranks)
  double tokens_per_second = 0, tflops_causal = 0, tflops_noncausal = 0;
  double mfu_bf16_causal = 0, mfu_bf16_noncausal = 0, mfu_fp8_causal = 0, mfu_fp8_noncausal = 0;
  double gpu_hours_per_trillion_tokens = 0;
  std::int64_t peak_memory = 0;
};
StepFigures figures_of(const TrainingPlan& plan, const std::vector<schedule::StepOutcome>& steps);

}  // namespace moesim::training
