// What the `training:` section of a scenario says, key by key.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compute/layers/inventory.h"
#include "core/config.h"
#include "forward/asked_precision.h"
#include "placement/rebalancing/rebalance.h"
#include "schedule/executor/block.h"
#include "spec/dtype.h"
#include "spec/slow_gpu.h"

namespace moesim::training {

enum class RecomputeKind { none, selective, full };
constexpr auto enum_names(RecomputeKind) {
  return std::to_array<std::pair<std::string_view, RecomputeKind>>(
      {{"none", RecomputeKind::none}, {"selective", RecomputeKind::selective}, {"full", RecomputeKind::full}});
}
/// What may be computed again by itself.
enum class RecomputeModule { norms, activations, up_projections, core_attention, shared_experts, experts };
constexpr auto enum_names(RecomputeModule) {
  return std::to_array<std::pair<std::string_view, RecomputeModule>>(
      {{"norms", RecomputeModule::norms},
       {"activations", RecomputeModule::activations},
       {"up_projections", RecomputeModule::up_projections},
       {"core_attention", RecomputeModule::core_attention},
       {"shared_experts", RecomputeModule::shared_experts},
       {"experts", RecomputeModule::experts}});
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
  std::vector<int> documents;
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
  double offload_activations = 0;
  StateSection state;
  Config lora;
  bool tensor_overlap = false, context_overlap = true;
  schedule::Turn shared_expert = schedule::Turn::automatic, weight_gradients = schedule::Turn::automatic;
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
    f("documents", p.documents,
      "tokens of each document that a sequence is packed of, which attention stays within; none: one fills it");
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
      "instead: some of norms, activations (SwiGLU), up_projections (MLA), core_attention, shared_experts and experts "
      "(with their gate, exchanges and shared experts)");
    f("offload_activations", p.offload_activations,
      "share of what layers keep for the backward pass that the host's memory keeps meanwhile (0 to 1)");
    f("state", p.state, "number formats of weights, gradients and optimiser");
    f("lora", p.lora, "{rank, targets}: low-rank adapters are trained, the weights stay as they are; default: none");
    f("tensor_overlap", p.tensor_overlap,
      "gathers and scatters of tensor parallelism go in step with their products, part by part");
    f("context_overlap", p.context_overlap,
      "keys and values of context parallelism come part by part beside the attention core; false: gathered before it");
    f("shared_expert", p.shared_expert,
      "beside the exchanges of its layer's rows, or in_turn: before the dispatch, and going backward after it; auto: "
      "beside where the schedule runs a forward and a backward together");
    f("weight_gradients", p.weight_gradients,
      "of experts: beside the exchange of their inputs' gradients, or in_turn: before it; auto: beside where the "
      "schedule runs a forward and a backward together");
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
}  // namespace moesim::training
