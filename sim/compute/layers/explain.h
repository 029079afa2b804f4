// One layer's operations with FLOPs, bytes, times and where the times come from: numbers to check by hand.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compute/layers/inventory.h"
#include "compute/layers/memory.h"
#include "compute/layers/step_phase.h"

namespace moesim::compute {

/// `count` sequences of one length: new tokens of each (decode: cached ones).
struct SequenceGroup {
  std::int64_t count = 1, length = 0;
};

/// What one GPU computes.
struct ExplainRequest {
  spec::Model model;
  StepPhase phase = StepPhase::prefill;
  std::optional<int> layer;            // none: the first MoE layer, or the first of a dense model
  std::int64_t sequences = 1;          // on this GPU (on its tensor-parallel group)
  std::int64_t tokens = 4096;          // new ones of each sequence
  std::int64_t context = 0;            // cached before
  std::vector<SequenceGroup> lengths;  // not empty: these instead of `sequences`, and of `tokens` (decode: `context`)
  bool causal = true;                  // false: every token attends to all of its sequence, in layers without a window
  std::optional<Batch> batch;          // instead of all of the above
  int parts = 1;                       // that each prompt is cut into: the first one's work (prompt_parts.h)
  int expert_parallel = 1;             // GPUs that share the experts; each gets its even part of the rows
  int slots = 0;                       // expert copies a GPU holds; 0: experts / expert_parallel
  LayerOptions options;
  GpuShare share;
  std::string beside;              // an operation of the list that runs on the other SMs meanwhile; "": nothing
  std::optional<HeldLayers> held;  // none: the whole model
  TrainingState state;
  std::vector<double> in_flight;              // micro-batches that each held layer keeps activations of; empty: 1
  std::vector<MemoryItem> other_activations;  // of what is no layer
  std::optional<Bytes> buffers;               // of exchanges; none: by `exchange_buffers`
  /// Of a step's tokens and rows; null: the rows of one dispatch and one combine.
  std::function<Bytes(std::int64_t tokens, std::int64_t rows)> exchange_buffers;
};

struct ExplainedOperation {
  Operation operation;
  Cost cost;
};

/// All layers the GPU holds, with embedding, MTP projection and head where it holds them.
struct WholePass {
  int layers = 0;
  Flops flops{}, useful{};
  Bytes bytes{};
  Time time{};  // one operation after the other, nothing beside
};

struct Explanation {
  int layer = 0;
  Batch batch;
  spec::KeysRead reads;            // which tokens the layer looks back on
  std::vector<std::int64_t> rows;  // of each local expert; the operations refer to them
  std::vector<ExplainedOperation> operations;
  Time total{};
  WholePass pass;
  MemoryUse memory;
  std::vector<MemoryItem> layer_activations;  // training: what one micro-batch keeps in this layer
  std::vector<MemoryItem> activations;        // training: all that is kept, summing to `memory`'s item "activations"
};

/// Throws ConfigError for shapes of zero or beyond the model (tokens, context, layer, parallelism), precisions and SMs
/// the GPU lacks, and an unknown `beside`.
Explanation explain(const ExplainRequest& request, const KernelModel& kernels);
}  // namespace moesim::compute
