#include "compute/layers/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compute/layers/attention_inventory.h"
#include "compute/layers/operation_list.h"
#include "core/ceil_div.h"
#include "core/check.h"
#include "spec/count.h"

namespace moesim::compute {
namespace {
std::int64_t parameter_bytes(spec::Dtype dtype) { return tensor_bytes(16, dtype).v / 16; }

// The weights an operation list reads are the weights a GPU holds, when every expert has a row.
Bytes weights_read(const spec::Model& model, int layer, LayerPart part, int experts, const LayerOptions& options) {
  const std::vector<std::int64_t> rows(std::size_t(std::max(experts, 0)), 1);
  Batch batch;
  add_prefill(batch, model, 1);
  batch.outputs = 1;
  std::vector<Operation> operations;
  append_operations(operations, model, layer, part, Pass::forward, batch, rows, options);
  Bytes sum{};
  for (const Operation& o : operations) sum += o.weights;
  if (part == LayerPart::attention)
    sum += inventory_of(spec::layer_shape(model, layer).attention.kind).weights_beside(model, layer, options);
  return sum;
}

// Serving systems score a prompt in pieces where all scores at once would be larger.
// assumed: vLLM's default, VLLM_SPARSE_INDEXER_MAX_LOGITS_MB
constexpr Bytes kMostScores{std::int64_t{512} << 20};
Bytes held_at_once(const Operation& o) {
  const bool scores = std::holds_alternative<IndexScores>(o.kernel) || std::holds_alternative<IndexTopK>(o.kernel);
  return scores ? std::min(o.bytes, kMostScores) : o.bytes - o.weights;
}

struct HeldBytes {
  Bytes dense{}, experts{};
};

HeldBytes held_bytes(const spec::Model& model, const HeldLayers& held, spec::Dtype dtype, LayerOptions options) {
  options.precision.linear = dtype;
  if (options.training) options.precision = {.linear = dtype};  // master copies are of one format
  options.training = false;
  HeldBytes out;
  for (const int layer : held.layers)
    for (const LayerPart part : parts_of(model, layer)) {
      const Bytes bytes = weights_read(model, layer, part, held.experts, options);
      (part == LayerPart::experts ? out.experts : out.dense) += bytes;
    }
  const std::int64_t vocabulary = ceil_div(model.vocabulary, options.tensor);
  if (held.embedding) out.dense += Bytes{2 * vocabulary * model.hidden};
  if (held.mtp) out.dense += weights_read(model, 0, LayerPart::mtp, 0, options) + Bytes{2 * model.hidden};
  if (held.head) {
    out.dense += weights_read(model, 0, LayerPart::head, 0, options);
    if (held.embedding && model.tied_embeddings) out.dense -= Bytes{2 * vocabulary * model.hidden};
  }
  return out;
}

// The largest operation's operands and result: what one layer needs for a moment beside everything that stays.
Bytes workspace(const spec::Model& model, const HeldLayers& held, const Batch& batch, std::int64_t rows,
                const LayerOptions& options) {
  Bytes most{};
  const std::vector<std::int64_t> each(std::size_t(held.experts), held.experts > 0 ? rows / held.experts : 0);
  for (const int layer : held.layers) {
    std::vector<Operation> operations;
    for (const LayerPart part : parts_of(model, layer))
      append_operations(operations, model, layer, part, Pass::forward, batch, each, options);
    for (const Operation& o : operations) most = std::max(most, held_at_once(o));
    if (layer > held.layers.front() + 8) break;  // layers repeat: dense and MoE, window and not, are among the first
  }
  return most;
}

Bytes logits(const spec::Model& model, const HeldLayers& held, const Batch& batch, const LayerOptions& options) {
  if (!held.head) return {};
  return {batch.outputs * 4 * ceil_div(model.vocabulary, options.tensor)};
}

void add_item(MemoryUse& use, std::string name, Bytes bytes) {
  if (bytes.v > 0) use.items.push_back({std::move(name), bytes});
}
}  // namespace

Bytes sum_of(std::span<const MemoryItem> items) {
  Bytes sum{};
  for (const MemoryItem& i : items) sum += i.bytes;
  return sum;
}
std::string largest_items(std::vector<MemoryItem> items, std::size_t count, int decimals) {
  std::ranges::stable_sort(items, [](const MemoryItem& a, const MemoryItem& b) { return a.bytes > b.bytes; });
  if (items.size() > count) items.resize(count);
  std::string out;
  for (const MemoryItem& item : items)
    out += fmt::format("{}{} {:.{}f} GB", out.empty() ? "" : ", ", item.name, double(item.bytes.v) * 1e-9, decimals);
  return out;
}
Bytes MemoryUse::total() const { return sum_of(items); }

Bytes held_weights(const spec::Model& model, const HeldLayers& held, spec::Dtype dtype, const LayerOptions& options) {
  const HeldBytes bytes = held_bytes(model, held, dtype, options);
  return (bytes.dense + bytes.experts) * held.copies;
}

MemoryUse training_memory(const spec::Model& model, const HeldLayers& held, const TrainingState& state,
                          const Batch& batch, std::int64_t rows, Bytes activations, const LayerOptions& options,
                          Bytes communication_buffers) {
  check(state.zero >= 0 && state.zero <= 3, "ZeRO stage {}", state.zero);
  LayerOptions bare = options;
  bare.adapters = {};
  const HeldBytes weights = held_bytes(model, held, state.weights, bare);
  const HeldBytes two_bytes = held_bytes(model, held, spec::Dtype::bf16, bare);
  HeldBytes trained = two_bytes;
  if (options.adapters.rank > 0) {
    trained = held_bytes(model, held, spec::Dtype::bf16, options);
    trained.dense -= two_bytes.dense, trained.experts -= two_bytes.experts;
  }
  // Bytes of `size` a parameter, shared by the data-parallel GPUs if the ZeRO stage shards it.
  const auto shared = [&](const HeldBytes& of, std::int64_t size, bool sharded, int copies) {
    const std::int64_t dense = of.dense.v / 2 * size, experts = of.experts.v / 2 * size;
    const std::int64_t a = sharded ? state.data_parallel : 1, b = sharded ? state.expert_parallel_data : 1;
    return Bytes{copies * (ceil_div(dense, a) + ceil_div(experts, b))};
  };
  const auto of_parameters = [&](std::int64_t size, bool sharded, int copies) {
    return shared(trained, size, sharded, copies);
  };
  MemoryUse use;
  if (state.zero >= 3)
    add_item(use, "weights", shared(two_bytes, parameter_bytes(state.weights), true, held.copies));
  else
    add_item(use, "weights", (weights.dense + weights.experts) * held.copies);
  if (options.adapters.rank > 0)
    add_item(use, "adapters", of_parameters(parameter_bytes(state.weights), state.zero >= 3, held.copies));
  add_item(use, "gradients", of_parameters(parameter_bytes(state.gradients), state.zero >= 2, held.copies));
  add_item(use, "master weights", of_parameters(parameter_bytes(state.master), state.zero >= 1, 1));
  add_item(use, "optimizer moments", of_parameters(2 * parameter_bytes(state.moments), state.zero >= 1, 1));
  add_item(use, "activations", activations);
  add_item(use, "logits", logits(model, held, batch, options));
  add_item(use, "workspace", workspace(model, held, batch, rows, options));
  add_item(use, "communication buffers", communication_buffers);
  return use;
}

Bytes kv_bytes_per_token(const spec::Model& model, const HeldLayers& held, const LayerOptions& options) {
  Bytes sum{};
  double entries = 0;
  for (const int layer : held.layers) {
    const spec::LayerAttention attention = spec::layer_shape(model, layer).attention;
    sum += spec::index_bytes_per_layer(model, layer, options.precision.entry_keys);
    const Bytes one = cached_token_bytes(inventory_of(attention.kind).cached_heads(model.attention, options.tensor),
                                         options.precision.kv_cache);
    if (attention.window == 0) sum += one;
    if (attention.entry > 0) entries += double(one.v) / attention.entry;  // windows are states: every request has one
  }
  return sum + Bytes{std::int64_t(std::ceil(entries))};
}

Bytes state_bytes_per_request(const spec::Model& model, const HeldLayers& held, const LayerOptions& options) {
  Bytes sum{};
  for (const int layer : held.layers)
    sum += inventory_of(spec::layer_shape(model, layer).attention.kind).state_bytes(model, layer, options);
  return sum;
}

CachedTokens cached_tokens(const spec::Model& model, std::int64_t sequences, std::int64_t length) {
  return {sequences * length, sequences * spec::windowed_keep(model).of(length), sequences};
}

MemoryUse serving_memory(const spec::Model& model, const HeldLayers& held, CachedTokens cached, const Batch& batch,
                         std::int64_t rows, const LayerOptions& options, Bytes communication_buffers) {
  MemoryUse use;
  add_item(use, "weights", held_weights(model, held, options.precision.linear, options));
  HeldLayers windowed, whole;
  for (const int layer : held.layers) {
    (spec::layer_shape(model, layer).attention.keeps.bounded() ? windowed : whole).layers.push_back(layer);
  }
  add_item(use, "kv cache",
           kv_bytes_per_token(model, whole, options) * cached.all +
               kv_bytes_per_token(model, windowed, options) * cached.windowed);
  add_item(use, "states", state_bytes_per_request(model, held, options) * cached.sequences);
  // BF16: the residual stream, or streams, and a layer's result.
  add_item(use, "hidden states", {2 * batch.tokens * (model.stream_width() + model.hidden)});
  add_item(use, "logits", logits(model, held, batch, options));
  add_item(use, "workspace", workspace(model, held, batch, rows, options));
  add_item(use, "communication buffers", communication_buffers);
  return use;
}
}  // namespace moesim::compute
