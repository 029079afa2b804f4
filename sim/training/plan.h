// What follows from the `training:` section of a scenario, once it is checked.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compute/layers/memory.h"
#include "core/estimate.h"
#include "forward/setup.h"
#include "schedule/executor/block.h"
#include "schedule/pipelines/timing.h"
#include "spec/hardware.h"
#include "spec/model.h"
#include "training/section.h"

namespace moesim::training {

/// One block of a stage: a transformer layer, or what stands before and after them.
struct PlanBlock {
  enum class Kind { embedding, layer, mtp, head } kind = Kind::layer;
  int layer = 0;  // model layer number; model.layers for the MTP module's
  bool moe = false;
};

/// Everything about one step that does not change while it runs.
struct TrainingPlan {
  spec::Model model;
  spec::Cluster cluster;
  TrainingSection section;
  schedule::Schedule schedule;
  schedule::TemplateSet templates;
  forward::StepSetup setup;
  compute::Batch batch;                        // of one micro-batch on one tensor-parallel group
  std::vector<std::vector<PlanBlock>> stages;  // (stages)
  int gpus = 0, gpus_per_stage = 0, micro_batches = 0;
  int data = 1;          // replicas of the dense part: GPUs of a stage over tensor x context
  int expert_data = 1;   // replicas of the experts
  int members = 1;       // GPUs of a group simulated apart
  int replicas = 1;      // simulated
  int stride = 1;        // cluster GPUs between two members
  int replica_gpus = 1;  // cluster GPUs between two replicas
  bool folded = true;
  std::vector<double> speeds;  // of the GPUs used, over the normal rate

  /// Whether the number of rows that experts get is known before they come.
  bool padded() const { return section.capacity.factor > 0; }

  /// Share of activations that stays on the GPU.
  double stays() const { return 1 - section.offload_activations; }

  /// GPUs that hold the same parameters, and share their gradients and the optimiser's state: replicas, and where the
  /// schedule runs both ways the two ranks of a stage.
  int dense_copies() const { return gpus_per_stage / section.parallel.tensor * schedule.copies(); }
  int expert_copies() const { return expert_data * schedule.copies(); }
  /// Micro-batches that pass each chunk of a rank.
  int micro_batches_of_chunk() const { return micro_batches / schedule.copies(); }

  std::int64_t tokens_per_step() const { return std::int64_t{section.batch} * section.sequence; }
  /// Tokens that one GPU feeds into the exchange.
  int tokens_per_member() const {
    return int(std::int64_t{section.micro_batch} * section.sequence / section.parallel.tensor /
               section.parallel.context);
  }
};

/// The adapters that training.lora asks for; none without it.  Throws ConfigError where it makes no sense.
compute::Adapters adapters_of(const Config& training, const spec::Model& model);
/// Keys of training.lora.
std::vector<KeyHelp> lora_keys();

/// Documents of a packed sequence; throws ConfigError if they do not make one up.
void check_documents(const Config& training, const TrainingSection& section);
/// The work of one micro-batch on one of `context` GPUs that share its sequences, causal work shared evenly.
compute::Batch micro_batch_of(const TrainingPlan& plan);
/// Model FLOPs of training on one token; of packed documents the mean.
Flops flops_of_token(const TrainingPlan& plan, bool causal);
/// What lies beside an exchange in single passes.
schedule::Beside beside_of(const Config& training, const TrainingPlan& plan);
/// What is computed again, module by module.
compute::Recompute recompute_of(RecomputeKind kind);
compute::Recompute recompute_of(const TrainingSection& section);
/// What a step is set up from: formats, recipe, kernels, exchange.
forward::StepSetup setup_of(const Config& training, const TrainingPlan& plan);

/// What a whole run varies from step to step; 0 or empty leaves the scenario's value.
struct PlanChange {
  int batch = 0, sequence = 0;
  std::vector<spec::SlowGpu> slow_gpus{};
  std::shared_ptr<const schedule::ScheduleCosts> times{};  // of the stages, for a schedule that follows them
};

/// Reads model, cluster and training section and works the plan out; `layers` stay empty until split_layers().
/// Throws ConfigError, saying what would be allowed, for what cannot be formed.
TrainingPlan read_plan(const Config& scenario, const PlanChange& change = {});
/// The same without what takes memory or time with the micro-batches: no schedule, no templates, no set-up of a step.
TrainingPlan read_shape(const Config& scenario, const PlanChange& change = {});

/// What an estimate counts.
struct TrainingCounts {
  double cluster_gpus = 1, replicas = 1, members = 1, ranks = 1, chunks = 1, copies = 1, micro_batches = 1, steps = 1;
  double layers = 1, moe_layers = 0, experts = 0, campaign_steps = 0;
  bool shared = false;  // MoE layers have a shared expert
  bool flows = false;   // of an exchange, each on its own
};
Estimate estimate(const TrainingCounts& counts, bool spans);
/// What the study would take.  spans: kept for a timeline.
Estimate estimate_training(const Config& scenario, bool spans);

/// Refuses sequences that GPUs share where no cost says how: states, entries, windowed layers with heads of their own.
void check_shared_sequences(const Config& parallel, const ParallelSection& p, const spec::Model& model);
/// Cuts the model into stages: by section.layers if given, else so that the slowest stage is as fast as can be.
/// cost: seconds of one block, forward and backward.
void split_layers(TrainingPlan& plan, const Config& scenario, const std::function<double(const PlanBlock&)>& cost);
}  // namespace moesim::training
