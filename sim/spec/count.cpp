// Cache bytes and operations of one token.
#include "spec/count.h"

#include <algorithm>
#include <utility>

#include "spec/attention_rules.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
/// Tokens kept, summed over layers, of a sequence of `tokens`.
std::int64_t kept(const Model& m, std::int64_t tokens) {
  std::int64_t sum = 0;
  for (const LayerShape& layer : layer_shapes(m))
    if (caches_tokens(layer.attention.kind)) sum += layer.attention.keeps.of(tokens);
  return sum;
}
/// Tokens attended to by a query, up to and with itself.  A chunk counts as full: what a long text has at most.
std::int64_t attended(const KeysRead& reads, std::int64_t context) {
  return reads.bounded() ? std::min(context, reads.width) : context;
}
/// Mean over the tokens of a sequence, by half the square (causal).
double mean_attended(const KeysRead& reads, double length) {
  const double width = std::min(length, double(reads.width));
  switch (reads.span) {
    case KeysRead::Span::all:
      return length / 2;
    case KeysRead::Span::picked:
    case KeysRead::Span::sliding:  // the first tokens of the sequence see fewer
      return width - width * width / (2 * length);
    case KeysRead::Span::chunk:  // a short sequence of its own
      return width / 2;
  }
  return length / 2;
}
/// `of(reads)` summed over the layers that read keys: once for each kind of reading, times the layers that read so.
template <class Of>
double over_layers(const Model& m, Of of) {
  std::vector<std::pair<KeysRead, int>> kinds;
  for (const LayerShape& layer : layer_shapes(m)) {
    if (!caches_tokens(layer.attention.kind)) continue;
    const auto at = std::ranges::find(kinds, layer.attention.reads, &std::pair<KeysRead, int>::first);
    if (at == kinds.end())
      kinds.emplace_back(layer.attention.reads, 1);
    else
      ++at->second;
  }
  double sum = 0;
  for (const auto& [reads, layers] : kinds) sum += layers * of(reads);
  return sum;
}
double over_prompt(const Model& m, std::int64_t length, bool causal) {
  return over_layers(m, [&](const KeysRead& reads) {
    return causal ? mean_attended(reads, double(length)) : double(attended(reads, length));
  });
}
double forward(const Model& m, double tokens, double width) {
  return 2 * double(count_parameters(m).active_no_embedding) + 2 * double(m.attention.heads) * width * tokens +
         state_flops(m);
}
/// Scores of the indexers: each key before a query against it, in every layer that has one.
double scores(const Model& m, double keys) {
  if (!m.attention.indexer) return 0;
  return 2.0 * m.attention.indexer->heads * m.attention.indexer->head_dim * keys * layers_with_indexer(m);
}
/// What indexers add to a forward pass over a prompt: where all keys fit the picks they only make their own keys.
double picking(const Model& m, std::int64_t length) {
  if (!m.attention.indexer) return 0;
  const IndexerShape& x = *m.attention.indexer;
  if (length > x.top_k) return scores(m, double(length) / 2);
  return -2.0 * x.heads * (double(x.head_dim) * m.attention.q_lora_rank + m.hidden) * layers_with_indexer(m);
}
/// Of indexers: no gradient goes on to what they read.
double input_gradients(const Model& m) {
  if (!m.attention.indexer) return 0;
  const IndexerShape& x = *m.attention.indexer;
  const double matrices =
      double(x.heads) * x.head_dim * m.attention.q_lora_rank + double(x.head_dim + x.heads) * m.hidden;
  return 2 * matrices * layers_with_indexer(m);
}
}  // namespace

bool caches_latent(const Model& model) { return rules_of(model.attention.kind).latent_width(model.attention) > 0; }

Bytes cache_bytes_per_layer(const Model& model, CacheFormat format) {
  return rules_of(model.attention.kind).token_bytes(model.attention, format);
}

Bytes index_bytes_per_layer(const Model& model, int layer) {
  if (layer_shape(model, layer).attention.index != IndexUse::own) return {};
  return rules_of(model.attention.kind).index_key_bytes(model.attention);
}

Bytes index_bytes_per_token(const Model& model) {
  return rules_of(model.attention.kind).index_key_bytes(model.attention) * layers_with_indexer(model);
}

Bytes cache_bytes_per_token(const Model& model, CacheFormat format) {
  return cache_bytes_per_layer(model, format) * caching_layers(model) + index_bytes_per_token(model);
}

Bytes state_bytes(const Model& model) {
  Bytes sum{};
  for (const LayerShape& layer : layer_shapes(model)) sum += rules_of(layer.attention.kind).state_bytes(model);
  return sum;
}

double state_flops(const Model& model) {
  double sum = 0;
  for (const LayerShape& layer : layer_shapes(model)) sum += rules_of(layer.attention.kind).state_flops(model);
  return sum;
}

Bytes cache_bytes(const Model& model, std::int64_t context, CacheFormat format) {
  return cache_bytes_per_layer(model, format) * kept(model, context) + index_bytes_per_token(model) * context +
         state_bytes(model);
}

Bytes cache_bytes_as(const Model& model, AttentionKind kind, std::int64_t context, CacheFormat format) {
  Model other = model;
  other.attention = rules_of(kind).instead_of(model.attention);
  return cache_bytes(other, context, format);
}

Flops decode_flops(const Model& model, std::int64_t context) {
  const double attends = over_layers(model, [&](const KeysRead& reads) { return double(attended(reads, context)); });
  return {forward(model, attends, double(rules_of(model.attention.kind).decode_width(model.attention))) +
          scores(model, double(context))};
}

Flops prefill_flops(const Model& model, std::int64_t length) {
  const auto width = double(rules_of(model.attention.kind).prompt_width(model.attention, length));
  return {forward(model, over_prompt(model, length, true), width) + picking(model, length)};
}

Flops training_flops(const Model& model, std::int64_t length, bool causal) {
  const auto width = double(rules_of(model.attention.kind).training_width(model.attention));
  const double attends = over_prompt(model, length, causal), seen = double(length) / (causal ? 2 : 1);
  return {3 * forward(model, attends, width) + scores(model, seen) + 2 * scores(model, attends / model.layers) -
          input_gradients(model)};
}
}  // namespace moesim::spec
