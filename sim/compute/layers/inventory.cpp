#include "compute/layers/inventory.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "compute/layers/operation_list.h"
#include "core/ceil_div.h"
#include "core/check.h"

namespace moesim::compute {
namespace {
// Pairs of `tokens` queries after `context` keys, causal: a square counts half (the model FLOPs of publications).
double causal_pairs(double context, double tokens) { return context * tokens + tokens * tokens / 2; }

}  // namespace

// Pairs that a window leaves: at most its width of keys a query, or only keys of the query's own chunk.
double pairs_read(double context, double tokens, const spec::KeysRead& window) {
  const auto width = double(window.width);
  switch (window.span) {
    case spec::KeysRead::Span::all:
      break;
    case spec::KeysRead::Span::picked:
    case spec::KeysRead::Span::sliding: {
      const double growing = std::clamp(width - context, 0.0, tokens);
      return causal_pairs(context, growing) + (tokens - growing) * width;
    }
    case spec::KeysRead::Span::chunk: {
      const auto up_to = [&](double x) {
        const double whole = std::floor(x / width), rest = x - whole * width;
        return (whole * width * width + rest * rest) / 2;
      };
      return up_to(context + tokens) - up_to(context);
    }
  }
  return causal_pairs(context, tokens);
}

namespace {
void add_to(AttentionWork& work, std::int64_t queries, std::int64_t keys, double pairs, std::int64_t count) {
  work.sequences += count;
  work.queries += queries * count;
  work.keys += keys * count;
  work.longest = std::max(work.longest, keys);
  work.pairs += pairs * double(count);
  const auto tiles = double(ceil_div(queries, kQueryTile));
  work.tiles += tiles * double(count);
  work.tiled_pairs += pairs * double(count) * tiles * double(kQueryTile) / double(queries);
}
}  // namespace

void add_prefill(Batch& batch, const spec::Model& model, std::int64_t tokens, std::int64_t context,
                 std::int64_t count) {
  add_prefill(batch, spec::windowed_read(model), tokens, context, count);
}

void add_prefill(Batch& batch, spec::KeysRead window, std::int64_t tokens, std::int64_t context, std::int64_t count) {
  check(tokens > 0 && context >= 0 && count > 0, "prefill of {} x {} tokens after {}", count, tokens, context);
  batch.tokens += tokens * count;
  add_to(batch.prefill, tokens, context + tokens, causal_pairs(double(context), double(tokens)), count);
  if (!window.bounded()) return;
  add_to(batch.window_prefill, tokens, window.seen(context) + tokens,
         pairs_read(double(context), double(tokens), window), count);
  if (window.span != spec::KeysRead::Span::sliding) return;
  batch.window_prefill.edges = 2;
  batch.window_prefill.longest = std::min(batch.window_prefill.longest, window.width + kQueryTile);
}

void add_decode(Batch& batch, const spec::Model& model, std::int64_t context, std::int64_t queries,
                std::int64_t count) {
  check(context >= 0 && queries > 0 && count > 0, "decode of {} x {} tokens after {}", count, queries, context);
  batch.tokens += queries * count;
  const auto triangle = [](std::int64_t kept, std::int64_t q) { return double(q * kept) + double(q * (q + 1)) / 2; };
  add_to(batch.decode, queries, context + queries, triangle(context, queries), count);
  const spec::KeysRead window = spec::windowed_read(model);
  if (!window.bounded()) return;
  const std::int64_t kept = window.seen(context);
  // A few drafts do not outgrow a chunk; a window that fills drops a key for each.
  const bool grows = window.span == spec::KeysRead::Span::chunk || context + queries <= window.width;
  const double pairs = grows ? triangle(kept, queries) : pairs_read(double(context), double(queries), window);
  add_to(batch.window_decode, queries, kept + queries, pairs, count);
}

Batch training_batch(const spec::Model& model, std::int64_t sequence, std::int64_t count) {
  Batch batch;
  add_prefill(batch, model, sequence, 0, count);
  batch.outputs = batch.tokens;
  return batch;
}

std::vector<LayerPart> parts_of(const spec::Model& model, int layer) {
  const spec::LayerShape shape = spec::layer_shape(model, layer);
  std::vector<LayerPart> out;
  if (shape.attention.kind != spec::AttentionKind::none) out.push_back(LayerPart::attention);
  if (shape.ffn.kind == spec::FfnKind::none) return out;
  if (shape.has_experts()) out.push_back(LayerPart::gate);
  if (!shape.has_experts() || model.moe->shared_experts > 0) out.push_back(LayerPart::shared);
  if (shape.has_experts()) out.insert(out.end(), {LayerPart::experts, LayerPart::merge});
  return out;
}

namespace {
/// Tokens of a step; where experts alone are asked for, those that their rows are of.
std::int64_t step_tokens(const spec::Model& model, LayerPart part, const Batch& batch,
                         std::span<const std::int64_t> rows) {
  if (part != LayerPart::experts) return batch.tokens;
  return std::accumulate(rows.begin(), rows.end(), std::int64_t{0}) / std::max(1, model.moe->rows_a_token());
}
}  // namespace

bool whole_again(const spec::Model& model, int layer, LayerPart part, const Recompute& again) {
  switch (part) {
    case LayerPart::embedding:
    case LayerPart::head:
      return false;
    case LayerPart::attention:
    case LayerPart::mtp:
      return again.layer;
    case LayerPart::shared:
      return again.layer || ((again.experts || again.shared_experts) && spec::has_experts(model, layer));
    case LayerPart::gate:
    case LayerPart::experts:
    case LayerPart::merge:
      return again.layer || again.experts;
  }
  throw std::logic_error("a layer has no such part");
}

namespace {
void append_part(OperationList& list, const LayerCall& call, LayerPart part, Pass pass) {
  switch (part) {
    case LayerPart::attention:
      if (pass == Pass::forward) return attention_forward(list, call);
      return pass == Pass::backward_input ? attention_backward(list, call) : attention_weights(list, call);
    case LayerPart::gate:
      return gate_operations(list, call, pass);
    case LayerPart::shared:
      return shared_operations(list, call, pass);
    case LayerPart::experts:
      return expert_operations(list, call, pass);
    case LayerPart::merge:
      return merge_operations(list, call, pass);
    case LayerPart::embedding:
      return embedding_operations(list, call, pass);
    case LayerPart::mtp:
      return mtp_operations(list, call, pass);
    case LayerPart::head:
      return head_operations(list, call, pass);
  }
}
}  // namespace

void append_operations(std::vector<Operation>& out, const spec::Model& model, int layer, LayerPart part, Pass pass,
                       const Batch& batch, std::span<const std::int64_t> rows, const LayerOptions& options) {
  if (batch.tokens <= 0 && part != LayerPart::experts) throw ConfigError("a pass of no tokens");
  check(options.training || pass == Pass::forward, "a backward pass of a batch that is not for training");
  const std::int64_t tokens = step_tokens(model, part, batch, rows);
  if (pass == Pass::backward_input && whole_again(model, layer, part, options.recompute)) {
    LayerOptions once = options;
    once.recompute = {};
    const std::size_t first = out.size();
    OperationList forward(out, part, Pass::forward, once, tokens);
    append_part(forward, {model, layer, batch, rows, once, !options.recompute.layer}, part, Pass::forward);
    for (std::size_t i = first; i < out.size(); ++i) out[i].pass = pass, out[i].recomputed = true, out[i].useful = {};
  }
  OperationList list(out, part, pass, options, tokens);
  append_part(list, {model, layer, batch, rows, options}, part, pass);
}

Time total_time(std::span<const Operation> operations, KernelCosts& costs, GpuShare share) {
  Time sum{};
  for (const Operation& o : operations) sum += costs.time(o.kernel, share);
  return sum;
}
}  // namespace moesim::compute
