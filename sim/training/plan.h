// What the `training:` section of a scenario says, checked, and the numbers that follow from it.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compute/layers/memory.h"
#include "core/estimate.h"
#include "forward/asked_precision.h"
#include "forward/setup.h"
#include "placement/rebalancing/rebalance.h"
#include "schedule/executor/block.h"
#include "schedule/pipelines/timing.h"
#include "spec/hardware.h"
#include "spec/model.h"
#include "spec/slow_gpu.h"

namespace moesim::training {

enum class RecomputeKind { none, selective, full };
constexpr auto enum_names(RecomputeKind) {
  return std::to_array<std::pair<std::string_view, RecomputeKind>>(
      {{"none", RecomputeKind::none}, {"selective", RecomputeKind::selective}, {"full", RecomputeKind::full}});
}
/// What may be computed again by itself.
enum class RecomputeModule { norms, activations, up_projections };
constexpr auto enum_names(RecomputeModule) {
  return std::to_array<std::pair<std::string_view, RecomputeModule>>(
      {{"norms", RecomputeModule::norms},
       {"activations", RecomputeModule::activations},
       {"up_projections", RecomputeModule::up_projections}});
}
enum class Hiding { overlapped, exposed };
constexpr auto enum_names(Hiding) {
  return std::to_array<std::pair<std::string_view, Hiding>>(
      {{"overlapped", Hiding::overlapped}, {"exposed", Hiding::exposed}});
}

/// Where the heads of the model and of its MTP modules are: on the last stage, sharing one matrix, or cut like layers.
enum class Heads { together, apart };
constexpr auto enum_names(Heads) {
  return std::to_array<std::pair<std::string_view, Heads>>({{"together", Heads::together}, {"apart", Heads::apart}});
}

struct ParallelSection {
  int pipeline = 1, tensor = 1, context = 1, expert = 1, expert_tensor = 1, zero = 1;
  static void fields(auto& f, auto& p) {
    f("pipeline", p.pipeline, "pipeline stages (ranks)");
    f("tensor", p.tensor, "GPUs that share attention and dense layers, with sequence parallelism");
    f("context", p.context, "GPUs that share a sequence");
    f("expert", p.expert, "GPUs that share the experts; independent of tensor and context");
    f("expert_tensor", p.expert_tensor,
      "GPUs that share each expert's width: neighbours, each in an expert group of its own; independent of tensor");
    f("zero", p.zero, "ZeRO stage 0 to 3 over the data-parallel GPUs");
  }
};

struct StateSection {
  spec::Dtype weights = spec::Dtype::bf16, master = spec::Dtype::fp32, gradients = spec::Dtype::fp32,
              moments = spec::Dtype::bf16;
  static void fields(auto& f, auto& p) {
    f("weights", p.weights, "the copy that kernels read");
    f("master", p.master, "the optimiser's copy");
    f("gradients", p.gradients, "accumulated and reduced in");
    f("moments", p.moments, "AdamW's two moments");
  }
};

/// Which parts of a layer are replayed from CUDA graphs.
enum class Graphs { none, attention, whole };
constexpr auto enum_names(Graphs) {
  return std::to_array<std::pair<std::string_view, Graphs>>(
      {{"none", Graphs::none}, {"attention", Graphs::attention}, {"whole", Graphs::whole}});
}

enum class LoraTarget { attention, dense, experts };
constexpr auto enum_names(LoraTarget) {
  return std::to_array<std::pair<std::string_view, LoraTarget>>(
      {{"attention", LoraTarget::attention}, {"dense", LoraTarget::dense}, {"experts", LoraTarget::experts}});
}

enum class CapacityLevel { expert, device };
constexpr auto enum_names(CapacityLevel) {
  return std::to_array<std::pair<std::string_view, CapacityLevel>>(
      {{"expert", CapacityLevel::expert}, {"device", CapacityLevel::device}});
}
/// Rows above `factor` times the mean of an expert (or of a device's experts) are dropped.
struct CapacitySection {
  double factor = 0;
  CapacityLevel level = CapacityLevel::device;
  static void fields(auto& f, auto& p) {
    f("factor", p.factor, "rows an expert or device takes, over the mean; 0 drops nothing");
    f("level", p.level, "whose rows are limited: expert or device");
  }
};

/// New places for the experts between steps.
struct RebalanceSection {
  int interval = 0;
  Config policy, trigger;
  placement::RebalanceParams params;
  placement::RebalanceCost cost;
  static void fields(auto& f, auto& p) {
    f("interval", p.interval, "steps between looks at the loads, where a plan may be made; 0: the placement stays");
    f("policy", p.policy, "kind of placement (moesim list placement), or a map with its parameters; default eplb");
    f("trigger", p.trigger,
      "whether a look leads to a plan: a kind (moesim list rebalance), or a map with its parameters; default always");
    placement::RebalanceParams::fields(f, p.params);
    placement::RebalanceCost::fields(f, p.cost);
  }
};

/// Low-rank adapters are trained in place of the weights (LoRA, arXiv:2106.09685).
struct LoraSection {
  int rank = 0;
  std::vector<LoraTarget> targets{};
  static void fields(auto& f, auto& p) {
    f.required("rank", p.rank, "of the adapters: columns between their two products");
    f("targets", p.targets,
      "whose products have adapters: attention, dense (networks of dense layers, shared experts), experts (a pair for "
      "each); default: all that the model has");
  }
};

struct TrainingPrecision : forward::AskedPrecision {
  std::optional<compute::Recipe> recipe{};
  static void fields(auto& f, auto& p) {
    forward::AskedPrecision::fields(f, p);
    f("recipe", p.recipe,
      "scales of what is multiplied in 8 or 4 bits: blocks (1x128, 128x128), or Transformer Engine's current or "
      "delayed "
      "(one a tensor), mxfp8, nvfp4; default blocks");
  }
};

struct TrainingSection {
  int sequence = 4096, batch = 0, micro_batch = 1, gpus = 0, gpus_per_node = 0, steps = 1;
  ParallelSection parallel;
  Config schedule;
  Config overlap;
  Config exchange;
  std::vector<int> layers;
  std::string pipeline_layout;
  bool ends_as_layers = false, extend_context = false;
  Heads heads = Heads::together;
  TrainingPrecision precision;
  RecomputeKind recompute = RecomputeKind::none;
  std::vector<RecomputeModule> recompute_modules;
  StateSection state;
  Config lora;
  bool tensor_overlap = false, context_overlap = true;
  Graphs graphs = Graphs::none;
  std::optional<Time> operator_time{};
  bool expert_by_expert = false;
  Hiding gradient_reduction = Hiding::overlapped, parameter_gathering = Hiding::overlapped;
  int communication_sms = 20;
  double beside_compute = 1;
  CapacitySection capacity;
  std::vector<spec::SlowGpu> slow_gpus;
  Config balance, run;
  RebalanceSection rebalance;
  static void fields(auto& f, auto& p) {
    f("sequence", p.sequence, "tokens of a sequence");
    f("extend_context", p.extend_context, "sequences may be longer than the positions of the model's config");
    f.required("batch", p.batch, "sequences of a step, all GPUs together");
    f("micro_batch", p.micro_batch, "sequences that pass the pipeline together, per data-parallel replica");
    f("gpus", p.gpus, "GPUs used; 0: the whole cluster");
    f("gpus_per_node", p.gpus_per_node, "GPUs used of each node (64 of a rack's 72); 0: all");
    f("steps", p.steps, "steps simulated GPU by GPU");
    f("parallel", p.parallel, "how the GPUs share the work");
    f("schedule", p.schedule, "pipeline schedule (moesim list schedule); default 1f1b");
    f("overlap", p.overlap,
      "of a forward and a backward: auto (what the schedule can use), dualpipe, none, or a table {compute, "
      "communication}");
    f("exchange", p.exchange,
      "kernels of dispatch and combine (moesim list exchange), or a map with their parameters; default auto");
    f("layers", p.layers,
      "transformer layers of each stage, none where embedding or head stand alone; default: balanced by their time");
    f("pipeline_layout", p.pipeline_layout,
      "stages as Megatron-LM's --pipeline-model-parallel-layout has them: Et*3|(tt|)*29,m|L");
    f("ends_as_layers", p.ends_as_layers,
      "embedding and loss count as a layer each, and every stage has equally many (as Megatron-LM can)");
    f("heads", p.heads,
      "head and MTP modules: together on the last stage, or apart, on stages of their own if need be");
    f("precision", p.precision, "number formats");
    f("recompute", p.recompute, "none, selective (norms, MLA up-projections, SwiGLU) or full");
    f("recompute_modules", p.recompute_modules,
      "instead: some of norms, activations (SwiGLU) and up_projections (MLA)");
    f("state", p.state, "number formats of weights, gradients and optimiser");
    f("lora", p.lora, "{rank, targets}: low-rank adapters are trained, the weights stay as they are; default: none");
    f("tensor_overlap", p.tensor_overlap,
      "gathers and scatters of tensor parallelism go in step with their products, part by part");
    f("context_overlap", p.context_overlap,
      "keys and values of context parallelism come part by part beside the attention core; false: gathered before it");
    f("graphs", p.graphs,
      "replayed from CUDA graphs: none, attention (with the gate), or whole layers (rows of experts padded to a "
      "capacity)");
    f("operator_time", p.operator_time,
      "what the host takes for an operator that is launched eagerly; none: as measured beside the GPU's kind of CPU");
    f("expert_by_expert", p.expert_by_expert, "products of experts are launched one by one, not as one kernel");
    f("gradient_reduction", p.gradient_reduction, "beside the last backwards, or after them");
    f("parameter_gathering", p.parameter_gathering, "beside the first forwards, or before them");
    f("communication_sms", p.communication_sms, "SMs that exchanges take from compute beside them");
    f("beside_compute", p.beside_compute, "rate an exchange keeps while the GPU computes beside it");
    f("capacity", p.capacity, "token dropping");
    f("slow_gpus", p.slow_gpus, "GPUs slower than the others");
    f("balance", p.balance, "bias balancing over many steps before the one simulated");
    f("rebalance", p.rebalance, "new places for the experts between steps");
    f("run", p.run, "the whole training run: ramps, checkpoints, failures");
  }
};

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

/// Cuts the model into stages: by section.layers if given, else so that the slowest stage is as fast as can be.
/// cost: seconds of one block, forward and backward.
void split_layers(TrainingPlan& plan, const Config& scenario, const std::function<double(const PlanBlock&)>& cost);
}  // namespace moesim::training
