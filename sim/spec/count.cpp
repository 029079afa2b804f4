// Cache bytes and operations of one token.
#include "spec/count.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "spec/attention_rules.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
/// The kind by which a layer is counted: a layer of block-sparse attention's model that picks none has the same heads.
AttentionKind counted_as(const Model& m, AttentionKind layer) {
  return layer == AttentionKind::windowed ? layer : m.attention.kind;
}
/// Keys and values kept, summed over layers, of a sequence of `tokens`.
Bytes kept(const Model& m, std::int64_t tokens, CacheFormat format) {
  Bytes sum{};
  for (const LayerShape& layer : layer_shapes(m))
    if (caches_tokens(layer.attention.kind))
      sum += cache_bytes_per_layer(m, layer.attention.kind, format) * layer.attention.kept(tokens);
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
/// What a layer's queries read: keys; or a window of them, and entries that stand for `entry` of those it would read.
struct Reading {
  KeysRead reads;
  int entry = 0;
  std::int64_t window = 0;
  AttentionKind kind{};
  bool operator==(const Reading&) const = default;
  KeysRead beside() const { return {KeysRead::Span::sliding, window}; }
};
Reading reading_of(const Model& m, const LayerAttention& a) {
  return {a.reads, a.entry, a.window, counted_as(m, a.kind)};
}
/// An entry that is not full counts as the part of it that there is.
double attended(const Reading& r, std::int64_t context) {
  const auto keys = double(attended(r.reads, context));
  return r.entry > 0 ? double(attended(r.beside(), context)) + keys / r.entry : keys;
}
double mean_attended(const Reading& r, double length) {
  const double keys = mean_attended(r.reads, length);
  return r.entry > 0 ? mean_attended(r.beside(), length) + keys / r.entry : keys;
}
/// `of(reading)` summed over the layers that read keys: once for each way to read, times the layers that read so.
template <class Of>
double over_layers(const Model& m, Of of) {
  std::vector<std::pair<Reading, int>> kinds;
  for (const LayerShape& layer : layer_shapes(m)) {
    if (!caches_tokens(layer.attention.kind)) continue;
    const Reading reading = reading_of(m, layer.attention);
    const auto at = std::ranges::find(kinds, reading, &std::pair<Reading, int>::first);
    if (at == kinds.end())
      kinds.emplace_back(reading, 1);
    else
      ++at->second;
  }
  double sum = 0;
  for (const auto& [reading, layers] : kinds) sum += layers * of(reading);
  return sum;
}
/// Multiplications of a query's heads with each token that they read: `width(rules)` columns a head.
template <class Width>
double columns(const Model& m, const Reading& reading, Width width) {
  return double(heads_of(m.attention, reading.kind).heads) * double(width(rules_of(reading.kind)));
}
template <class Width>
double over_prompt(const Model& m, std::int64_t length, bool causal, Width width) {
  return over_layers(m, [&](const Reading& reading) {
    return columns(m, reading, width) * (causal ? mean_attended(reading, double(length)) : attended(reading, length));
  });
}
double forward(const Model& m, double multiplied) {
  return 2 * double(count_parameters(m).active_no_embedding) + 2 * multiplied + state_flops(m);
}
/// Scores of the indexers: each key, or entry, of `keys` before a query against it, in every layer that has one.
double scores(const Model& m, double keys) {
  if (const std::optional<BlockShape>& b = m.attention.blocks)
    return 2.0 * b->heads * b->head_dim * keys * layers_with_indexer(m);
  if (!m.attention.indexer) return 0;
  const double scored = m.attention.compressed ? keys / m.attention.compressed->indexed : keys;
  return 2.0 * m.attention.indexer->heads * m.attention.indexer->head_dim * scored * layers_with_indexer(m);
}
/// What indexers add to a forward pass over a prompt: where all keys fit the picks they only make their own keys.
double picking(const Model& m, std::int64_t length) {
  if (m.attention.blocks) return scores(m, double(length) / 2);  // of short prompts, too
  if (!m.attention.indexer) return 0;
  const IndexerShape& x = *m.attention.indexer;
  if (m.attention.compressed || length > x.top_k) return scores(m, double(length) / 2);
  return -2.0 * x.heads * (double(x.head_dim) * m.attention.q_lora_rank + m.hidden) * layers_with_indexer(m);
}
/// Of indexers: no gradient goes on to what they read.
double input_gradients(const Model& m) {
  if (!m.attention.indexer && !m.attention.blocks) return 0;
  double matrices = 0;
  for (const AttentionWeight& w : rules_of(m.attention.kind).indexer_weights(m))
    if (w.rows > 1) matrices += double(w.rows) * double(w.columns);
  return 2 * matrices * layers_with_indexer(m);
}
}  // namespace

bool caches_latent(const Model& model) { return rules_of(model.attention.kind).latent_width(model.attention) > 0; }

Bytes cache_bytes_per_layer(const Model& model, AttentionKind layer, CacheFormat format) {
  return rules_of(counted_as(model, layer)).token_bytes(model.attention, format);
}

Bytes cache_bytes_per_layer(const Model& model, CacheFormat format) {
  return rules_of(model.attention.kind).token_bytes(model.attention, format);
}

Bytes index_bytes_per_layer(const Model& model, int layer, EntryKeys keys) {
  if (layer_shape(model, layer).attention.index != IndexUse::own) return {};
  return rules_of(model.attention.kind).index_key_bytes(model.attention, keys);
}

Bytes index_bytes_per_token(const Model& model) {
  return rules_of(model.attention.kind).index_key_bytes(model.attention, EntryKeys::fp4) * layers_with_indexer(model);
}

Bytes cache_bytes_per_token(const Model& model, CacheFormat format) {
  const Bytes one = cache_bytes_per_layer(model, format);
  if (!model.attention.compressed) return kept(model, 1, format) + index_bytes_per_token(model);
  double sum = 0;
  for (const EntryLayers& of : entry_layers(model, false))
    if (of.entry > 0) sum += double(one.v) * of.layers / of.entry;
  return Bytes{std::int64_t(std::ceil(sum))} + index_bytes_per_token(model);
}

Bytes state_bytes(const Model& model) {
  Bytes sum{};
  for (const LayerShape& layer : layer_shapes(model)) {
    const AttentionRules& rules = rules_of(layer.attention.kind);
    sum += rules.state_bytes(model) + rules.unfinished_bytes(model, layer.attention.entry);
  }
  return sum;
}

double state_flops(const Model& model) {
  double sum = 0;
  for (const LayerShape& layer : layer_shapes(model)) sum += rules_of(layer.attention.kind).state_flops(model);
  return sum;
}

Bytes cache_bytes(const Model& model, std::int64_t context, CacheFormat format) {
  const std::optional<CompressedShape>& entries = model.attention.compressed;
  const std::int64_t indexed = entries ? context - context % entries->indexed : context;  // of full entries alone
  return kept(model, context, format) + index_bytes_per_token(model) * indexed + state_bytes(model);
}

Bytes cache_bytes_as(const Model& model, AttentionKind kind, std::int64_t context, CacheFormat format) {
  Model other = model;
  other.attention = rules_of(kind).instead_of(model.attention);
  other.attention.window_heads.reset();
  return cache_bytes(other, context, format);
}

Flops decode_flops(const Model& model, std::int64_t context) {
  const auto width = [&](const AttentionRules& rules) { return rules.decode_width(model.attention); };
  const double multiplied = over_layers(
      model, [&](const Reading& reading) { return columns(model, reading, width) * attended(reading, context); });
  return {forward(model, multiplied) + scores(model, double(context))};
}

Flops prefill_flops(const Model& model, std::int64_t length) {
  const auto width = [&](const AttentionRules& rules) { return rules.prompt_width(model.attention, length); };
  return {forward(model, over_prompt(model, length, true, width)) + picking(model, length)};
}

Flops training_flops(const Model& model, std::int64_t length, bool causal) {
  const auto width = [&](const AttentionRules& rules) { return rules.training_width(model.attention); };
  const double multiplied = over_prompt(model, length, causal, width), seen = double(length) / (causal ? 2 : 1);
  const KeysRead picks = windowed_read(model);
  const double picked = causal ? mean_attended(picks, double(length)) : double(attended(picks, length));
  return {3 * forward(model, multiplied) + scores(model, seen) + 2 * scores(model, picked) - input_gradients(model)};
}
}  // namespace moesim::spec
