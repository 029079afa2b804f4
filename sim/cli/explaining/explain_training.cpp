// A training scenario's layer: one micro-batch on one GPU, and what the fullest pipeline stage holds.
#include <fmt/format.h>

#include <algorithm>

#include "cli/explaining/explain_scenario.h"
#include "training/costs.h"
#include "training/rank_holds.h"

namespace moesim::cli {
void explain_training(const ExplainOptions& o, const runs::Scenario& scenario, ExplainSubject& s) {
  only_step_options(o, "training", {"--stage"});
  training::TrainingPlan plan = training::read_plan(scenario.config);
  compute::ExplainRequest& r = s.request;
  r.phase = compute::StepPhase::training;
  r.model = plan.model;
  r.batch = plan.batch;
  r.expert_parallel = plan.model.moe ? plan.section.parallel.expert : 1;
  r.slots = slots_of(scenario.config, r.model, r.expert_parallel);
  r.sequences = plan.section.micro_batch, r.tokens = plan.section.sequence;
  s.gpu = plan.cluster.node.gpu;
  s.kernels = compute::make_kernel_model(scenario.config, s.gpu);
  take_setup(plan.setup, s);
  compute::KernelCosts costs(*s.kernels);
  training::split_layers(plan, scenario.config,
                         [&](const training::PlanBlock& block) { return training::block_seconds(plan, block, costs); });
  if (o.stage >= plan.schedule.ranks)
    throw ConfigError::placed(fmt::format("--stage: expected 0 to {}, got {}", plan.schedule.ranks - 1, o.stage));
  Bytes most{-1};
  for (int rank = 0; rank < plan.schedule.ranks; ++rank) {
    const training::RankHolds holds = training::rank_holds(plan, rank, r.slots);
    std::vector<compute::MemoryItem> activations =
        compute::held_activations(r.model, holds.layers, plan.batch, holds.rows, holds.in_flight, r.options);
    const compute::MemoryUse use =
        compute::training_memory(r.model, holds.layers, holds.state, plan.batch, holds.rows,
                                 compute::sum_of(activations) + holds.other.bytes, r.options, holds.buffers);
    if (plan.schedule.ranks > 1) s.stages.push_back(use);
    if (o.stage < 0 ? use.total() <= most : rank != o.stage) continue;
    most = use.total();
    if (plan.schedule.ranks > 1) s.memory = fmt::format("pipeline stage {} at its fullest", rank);
    r.held = holds.layers, r.state = holds.state, r.in_flight = holds.in_flight, r.buffers = holds.buffers;
    r.other_activations = {holds.other};
  }
}
}  // namespace moesim::cli
