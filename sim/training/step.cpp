#include "training/step.h"

#include <fmt/format.h>

#include <algorithm>

#include "placement/section.h"
#include "spec/arithmetic.h"
#include "training/balance.h"
#include "training/stage_times.h"

namespace moesim::training {
namespace {
/// For a schedule that follows the times of its stages: what they take in a step of fewer micro-batches, in an order
/// for equal times.
PlanChange with_times(const Config& scenario, std::uint64_t seed, PlanChange change) {
  if (change.times) return change;
  const TrainingPlan shape = read_shape(scenario, change);
  const int ranks = shape.section.parallel.pipeline;
  const auto policy = schedule::pipeline_schedules().make_or(scenario.at("training"), "schedule", "1f1b");
  if (ranks < 2 || !policy->follows_times()) return change;
  PlanChange few = change;
  few.batch = shape.data * shape.section.micro_batch * std::min(shape.micro_batches, 2 * ranks);
  few.times = std::make_shared<schedule::ScheduleCosts>();
  TrainingSetup setup(scenario, seed, few);
  change.times = std::make_shared<schedule::ScheduleCosts>(stage_times(setup, setup.run(0, nullptr)));
  return change;
}
}  // namespace

TrainingSetup::TrainingSetup(const Config& scenario, std::uint64_t seed, const PlanChange& change)
    : plan_(read_plan(scenario, with_times(scenario, seed, change))) {
  network_ = network::make_network(scenario, engine_, plan_.cluster);
  kernel_model_ = compute::make_kernel_model(scenario, plan_.cluster.node.gpu);
  kernels_ = std::make_unique<compute::KernelCosts>(*kernel_model_);
  split_layers(plan_, scenario, [&](const PlanBlock& block) { return block_seconds(plan_, block, *kernels_); });
  if (plan_.model.moe) {
    const int per_node = std::min(plan_.members, std::max(1, plan_.cluster.node.gpus / plan_.stride));
    const routing::TrafficContext context{
        routing::gate_shape(*plan_.model.moe), {plan_.members, per_node}, seed, std::nullopt};
    const Config routing = scenario.at_or_empty("routing");
    placement::refuse_planned_shares(scenario, "training");
    traffic_ = routing::make_traffic(routing, context);
    traffic_ = balanced_by_bias(scenario.at("training"), plan_, context, std::move(traffic_));
    placement_ =
        placement::read_placement(scenario, plan_.model, context.group, {traffic_.get(), routing, context}).maps;
    loads_ = std::make_unique<TrainingLoads>(plan_, *traffic_, placement_, context.group,
                                             placement::read_replica_choice(scenario));
    if (plan_.section.rebalance.interval > 0)
      rebalancing_ = std::make_unique<Rebalancing>(scenario.at("training"), plan_, *traffic_, context.group, placement_,
                                                   gpus_a_simulated_one());
  }
  costs_ = std::make_unique<TrainingCosts>(plan_, *kernels_, *network_, loads_.get());
}
TrainingSetup::~TrainingSetup() = default;

schedule::StepOutcome TrainingSetup::run(std::int64_t step, results::SpanLog* spans) {
  if (loads_) loads_->begin_step(step);
  schedule::Executor executor(
      engine_, plan_.schedule, plan_.templates, {plan_.replicas, plan_.members}, *costs_,
      [this](const schedule::GpuSeat& seat) { return costs_->gpu(seat); }, spans);
  const Time start = engine_.now();
  schedule::StepOutcome out = executor.run();
  const bool all = gpus_a_simulated_one() == 1;
  const network::LinkTotals before = all ? network::LinkTotals{} : network::link_totals(*network_);
  costs_->count_collectives(start, engine_.now());
  if (!all) {
    const network::LinkTotals after = network::link_totals(*network_);
    for (std::size_t k = 0; k < after.size(); ++k) collectives_[k] += after[k] - before[k];
  }
  if (rebalancing_) {
    const Time waited = rebalancing_->stepped(step, *loads_, *costs_, *network_);
    out.step += waited;
    for (schedule::GpuOutcome& g : out.gpus) {
      g.spent[std::size_t(schedule::Spent::exposed_communication)] += waited;
      g.communicating += waited;
    }
  }
  return out;
}

network::LinkTotals TrainingSetup::link_totals_of_all() {
  network::LinkTotals out = network::link_totals(*network_);
  for (std::size_t k = 0; k < out.size(); ++k)
    out[k] = (out[k] - collectives_[k]) * gpus_a_simulated_one() + collectives_[k];
  return out;
}

StepFigures figures_of(const TrainingPlan& plan, const std::vector<schedule::StepOutcome>& steps) {
  StepFigures out;
  out.stages.resize(std::size_t(plan.schedule.ranks));
  for (const schedule::StepOutcome& step : steps) {
    out.step_time += seconds(step.step) / double(steps.size());
    const double gpus = double(step.gpus.size() * steps.size()), of_stage = gpus / plan.schedule.ranks;
    for (const schedule::GpuOutcome& g : step.gpus) {
      for (std::size_t k = 0; k < schedule::kSpent; ++k) {
        out.spent[k] += seconds(g.spent[k]) / gpus;
        out.stages[std::size_t(g.seat.rank)][k] += seconds(g.spent[k]) / of_stage;
      }
      out.peak_memory = std::max(out.peak_memory, g.peak_memory.v);
    }
  }
  const double tokens = double(plan.tokens_per_step());
  const spec::Gpu& gpu = plan.cluster.node.gpu;
  out.tokens_per_second = tokens / out.step_time;
  const double per_gpu = out.tokens_per_second / plan.gpus;
  const auto flops = [&](bool causal) { return flops_of_token(plan, causal).v * per_gpu; };
  out.tflops_causal = flops(true) * 1e-12;
  out.tflops_noncausal = flops(false) * 1e-12;
  out.mfu_bf16_causal = flops(true) / gpu.bf16.v;
  out.mfu_bf16_noncausal = flops(false) / gpu.bf16.v;
  if (spec::computes_in(gpu, spec::Dtype::fp8)) {
    out.mfu_fp8_causal = flops(true) / gpu.fp8.v;
    out.mfu_fp8_noncausal = flops(false) / gpu.fp8.v;
  }
  out.gpu_hours_per_trillion_tokens = plan.gpus * (1e12 / out.tokens_per_second) / 3600;
  return out;
}
}  // namespace moesim::training
