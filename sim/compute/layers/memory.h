// What fills a GPU's memory: weights, gradients, optimiser, activations, KV cache, buffers.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/layers/inventory.h"
#include "core/units.h"
#include "spec/model.h"

namespace moesim::compute {

/// The share of the model one GPU holds.
struct HeldLayers {
  std::vector<int> layers;  // model layer numbers; `model.layers` + i is the i-th MTP module's layer
  bool embedding = false, head = false, mtp = false;
  int experts = 0;  // slots of routed experts a MoE layer
  int copies = 1;   // of the parameters: 2 for DualPipe
};

struct MemoryItem {
  std::string name;
  Bytes bytes{};
  std::string_view needed_by{};  // of activations: the operation of the backward pass that reads it
};
Bytes sum_of(std::span<const MemoryItem> items);
/// The `count` largest in words, ties as they stand: "weights 39.5 GB, kv cache 4.6 GB".
std::string largest_items(std::vector<MemoryItem> items, std::size_t count, int decimals = 1);
/// Peak memory and what it is made of, in a fixed order.
struct MemoryUse {
  std::vector<MemoryItem> items;
  Bytes total() const;
};

/// Precisions of what training keeps.  Defaults: DeepSeek-V3's (FP32 master weights and gradients, BF16 moments).
struct TrainingState {
  spec::Dtype weights = spec::Dtype::bf16;  // the copy the kernels read
  spec::Dtype master = spec::Dtype::fp32, gradients = spec::Dtype::fp32, moments = spec::Dtype::bf16;
  int zero = 1;                  // ZeRO stage: 0 none, 1 optimiser state and master, 2 gradients too, 3 weights too
  int data_parallel = 1;         // GPUs that share the dense part's optimiser state
  int expert_parallel_data = 1;  // GPUs that share an expert's optimiser state
};

/// Bytes of the weights held, with scales.
Bytes held_weights(const spec::Model& model, const HeldLayers& held, spec::Dtype dtype, const LayerOptions& options);
/// Activations that one micro-batch keeps from forward to backward in one layer, by what is kept and which operation
/// needs it.  What `options.recompute` does again is not among them.
/// rows: rows of routed tokens on this GPU.
std::vector<MemoryItem> layer_activations(const spec::Model& model, int layer, const Batch& batch, std::int64_t rows,
                                          const LayerOptions& options);
/// The same of all held layers, by name.  in_flight: micro-batches that each of `held.layers` keeps them of.
std::vector<MemoryItem> held_activations(const spec::Model& model, const HeldLayers& held, const Batch& batch,
                                         std::int64_t rows, std::span<const double> in_flight,
                                         const LayerOptions& options);
/// activations: of the micro-batches in flight at the peak.
MemoryUse training_memory(const spec::Model& model, const HeldLayers& held, const TrainingState& state,
                          const Batch& batch, std::int64_t rows, Bytes activations, const LayerOptions& options,
                          Bytes communication_buffers);
/// Bytes a cached token takes over the held layers, on one of `options.tensor` GPUs.  MLA with an fp8 cache: 656 a
/// layer.
Bytes kv_bytes_per_token(const spec::Model& model, const HeldLayers& held, const LayerOptions& options);
/// What one request takes over the held layers whatever its length, on one of `options.tensor` GPUs: states.
Bytes state_bytes_per_request(const spec::Model& model, const HeldLayers& held, const LayerOptions& options);
/// Tokens in the KV cache: in layers that keep everything, and in those that keep a window; and the sequences.
struct CachedTokens {
  std::int64_t all = 0, windowed = 0, sequences = 0;
};
/// Of `sequences` of `length` tokens.
CachedTokens cached_tokens(const spec::Model& model, std::int64_t sequences, std::int64_t length);
/// batch: the largest step, for the workspace.
MemoryUse serving_memory(const spec::Model& model, const HeldLayers& held, CachedTokens cached, const Batch& batch,
                         std::int64_t rows, const LayerOptions& options, Bytes communication_buffers);
}  // namespace moesim::compute
