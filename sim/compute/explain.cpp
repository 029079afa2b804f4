#include "compute/explain.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim {
namespace {
void check_request(const ExplainRequest& r) {
  const auto refuse = [](const std::string& why) { throw ConfigError(why); };
  if (!r.model.unpublished.empty())
    refuse(fmt::format("{} has no published shape: {}", r.model.name, r.model.unpublished));
  if (r.sequences < 1) refuse(fmt::format("sequences: expected at least 1, got {}", r.sequences));
  if (r.tokens < 1) refuse(fmt::format("tokens: expected at least 1, got {}", r.tokens));
  if (r.context < 0) refuse(fmt::format("context: expected at least 0, got {}", r.context));
  if (r.model.max_positions > 0 && r.context + r.tokens > r.model.max_positions)
    refuse(fmt::format("context + tokens = {} is beyond the {} positions of {}", r.context + r.tokens,
                       r.model.max_positions, r.model.name));
  if (r.sequences > 100'000'000 / r.tokens) refuse("sequences x tokens: expected at most 100,000,000");
  if (r.layer >= r.model.layers)
    refuse(fmt::format("layer: {} has layers 0 to {}, got {}", r.model.name, r.model.layers - 1, r.layer));
  if (r.pipeline < 1 || r.pipeline > r.model.layers)
    refuse(
        fmt::format("pipeline: expected 1 to the {} layers of {}, got {}", r.model.layers, r.model.name, r.pipeline));
  const int experts = r.model.moe ? r.model.moe->experts : 1;
  if (r.expert_parallel < 1 || (r.slots == 0 && experts % r.expert_parallel != 0 && r.model.moe))
    refuse(fmt::format("expert parallelism: must divide the {} experts of {}, got {}", experts, r.model.name,
                       r.expert_parallel));
}

int layer_of(const ExplainRequest& r) {
  if (r.layer >= 0) return r.layer;
  const std::vector<int> moe = r.model.moe_layers();
  return moe.empty() ? 0 : moe.front();
}

Batch batch_of(const ExplainRequest& r) {
  if (r.phase == ExplainPhase::training) return training_batch(r.model, r.tokens, r.sequences);
  Batch batch;
  if (r.phase == ExplainPhase::decode)
    add_decode(batch, r.model, r.context, r.tokens, r.sequences);
  else
    add_prefill(batch, r.model, r.tokens, r.context, r.sequences);
  batch.outputs = r.sequences * (r.phase == ExplainPhase::decode ? r.tokens : 1);
  return batch;
}

// The GPU's even part: what it sends out is what it receives.
std::vector<std::int64_t> even_rows(const ExplainRequest& r, std::int64_t tokens, int slots) {
  std::vector<std::int64_t> rows(std::size_t(slots), 0);
  const std::int64_t all = tokens * r.model.moe->top_k / std::max(1, r.options.tensor);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = all / slots + (std::int64_t(i) < all % slots);
  return rows;
}

MemoryUse memory_of(const ExplainRequest& r, const Batch& batch, int slots, std::int64_t rows) {
  HeldLayers held;
  held.experts = slots;
  const bool training = r.phase == ExplainPhase::training;
  const int layers = training ? (r.model.layers + r.pipeline - 1) / r.pipeline : r.model.layers;
  // A middle stage holds neither the first layers nor the ends; one stage holds everything.
  const int first = r.pipeline > 1 ? r.model.layers - layers : 0;
  for (int i = 0; i < layers; ++i) held.layers.push_back(first + i);
  held.embedding = held.head = r.pipeline == 1;
  const Bytes buffers{2 * rows * r.model.hidden * 2};  // BF16 rows, dispatched and combined
  if (training) return training_memory(r.model, held, r.state, batch, rows, r.in_flight, r.options, buffers);
  return serving_memory(r.model, held, cached_tokens(r.model, r.sequences, r.context + r.tokens), batch, rows,
                        r.options, buffers);
}
}  // namespace

Explanation explain(const ExplainRequest& r, const KernelModel& kernels) {
  check_request(r);
  Explanation out;
  out.layer = layer_of(r);
  const Batch batch = batch_of(r);
  const int slots = r.model.moe ? (r.slots > 0 ? r.slots : r.model.moe->experts / r.expert_parallel) : 0;
  if (slots > 0) out.rows = even_rows(r, batch.tokens, slots);
  std::vector<Operation> operations;
  std::vector<Pass> passes{Pass::forward};
  if (r.phase == ExplainPhase::training) passes = {Pass::forward, Pass::backward_input, Pass::weight_gradient};
  for (const Pass pass : passes)
    for (const LayerPart part : parts_of(r.model, out.layer))
      append_operations(operations, r.model, out.layer, part, pass, batch, out.rows, r.options);
  for (const Operation& o : operations) {
    out.operations.push_back({o, kernels.cost(o.kernel, r.share)});
    out.total += out.operations.back().cost.time;
  }
  std::int64_t rows = 0;
  for (const std::int64_t x : out.rows) rows += x;
  out.memory = memory_of(r, batch, slots, rows);
  return out;
}
}  // namespace moesim
