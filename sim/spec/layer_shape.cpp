#include "spec/layer_shape.h"

#include <algorithm>

#include "spec/attention_rules.h"

namespace moesim::spec {
namespace {
bool is_windowed(const AttentionShape& a, int layer) {
  return a.sliding_window > 0 && std::ranges::binary_search(a.sliding_layers, layer);
}

bool is_mixture(const Model& m, int layer) {
  if (m.halved()) return m.moe && std::ranges::binary_search(m.network_layers, layer);
  return m.moe && layer >= m.moe->first_dense_layers && layer < m.layers - m.moe->last_dense_layers &&
         (layer + 1 + m.moe->layer_offset) % m.moe->layer_frequency == 0;
}

/// MTP modules do as the last layer does.
bool picks_blocks(const Model& m, int layer) {
  return m.attention.blocks && std::ranges::binary_search(m.attention.blocks->layers, std::min(layer, m.layers - 1));
}

AttentionKind kind_of(const Model& m, int layer) {
  const auto among = [layer](const std::vector<int>& layers) { return std::ranges::binary_search(layers, layer); };
  if (m.delta && among(m.delta->layers)) return AttentionKind::gated_delta;
  if (m.mamba && among(m.mamba->layers)) return AttentionKind::mamba2;
  if (m.kimi && among(m.kimi->layers)) return AttentionKind::kimi_delta;
  if (m.attention.blocks && !picks_blocks(m, layer))
    return m.attention.heads == m.attention.kv_heads ? AttentionKind::mha : AttentionKind::gqa;
  if (m.attention.window_heads && is_windowed(m.attention, layer)) return AttentionKind::windowed;
  return among(m.network_layers) ? AttentionKind::none : m.attention.kind;
}

LayerRope rope_of(const Model& m, int layer, AttentionKind kind) {
  const RotatedColumns columns = rules_of(kind).rotated_columns(m);
  LayerRope out;
  out.active = has_rope(m.rope, layer);
  // Gemma-3's windowed layers have frequencies of their own, which are not scaled to longer contexts.
  const bool local = m.rope.local_theta > 0 && std::ranges::binary_search(m.attention.sliding_layers, layer);
  out.theta = local ? m.rope.local_theta : m.rope.theta;
  out.stretched = !local;
  out.interleaved = columns.interleaved;
  out.first = columns.first;
  out.dims = columns.count;
  return out;
}

/// 0 where the model has none.
int entry_of(const Model& m, int layer) {
  return m.attention.compressed ? m.attention.compressed->entries.at(std::size_t(layer)) : 0;
}

IndexUse index_of(const Model& m, int layer) {
  if (m.attention.blocks) return picks_blocks(m, layer) ? IndexUse::own : IndexUse::none;
  const std::optional<IndexerShape>& indexer = m.attention.indexer;
  if (!indexer) return IndexUse::none;
  if (m.attention.compressed)
    return entry_of(m, layer) == m.attention.compressed->indexed ? IndexUse::own : IndexUse::none;
  return std::ranges::binary_search(indexer->shared_layers, layer) ? IndexUse::shared : IndexUse::own;
}

HeadNorm head_norm_of(const Model& m, bool rotates) {
  if (!m.attention.qk_norm) return HeadNorm::none;
  if (m.attention.qk_norm_whole) return HeadNorm::whole;
  if (m.has_qk_norm_weights()) return HeadNorm::before_rope;
  return rotates ? HeadNorm::after_rope : HeadNorm::none;
}
}  // namespace

bool has_rope(const RopeShape& rope, int layer) {
  return rope.no_rope_every == 0 || (layer + 1) % rope.no_rope_every != 0;
}

KeysRead windowed_read(const Model& model) {
  const AttentionShape& a = model.attention;
  if (a.blocks) return {KeysRead::Span::picked, a.blocks->picks()};
  if (a.indexer)
    return {KeysRead::Span::picked, std::int64_t{a.indexer->top_k} * (a.compressed ? a.compressed->indexed : 1)};
  if (a.sliding_window == 0) return {};
  return {a.chunked ? KeysRead::Span::chunk : KeysRead::Span::sliding, a.sliding_window};
}

// A chunk's keys could go when the next one begins; like a window's, the last ones stay.
KeysKept windowed_keep(const Model& model) { return {model.attention.sliding_window}; }

int layers_with_indexer(const Model& model) {
  if (model.attention.blocks) return int(model.attention.blocks->layers.size());
  if (!model.attention.indexer) return 0;
  if (!model.attention.compressed) return model.layers - int(model.attention.indexer->shared_layers.size());
  int out = 0;
  for (int layer = 0; layer < model.layers; ++layer) out += index_of(model, layer) == IndexUse::own;
  return out;
}

std::vector<EntryLayers> entry_layers(const Model& model, bool mtp) {
  std::vector<EntryLayers> out;
  if (!model.attention.compressed) return out;
  for (int layer = mtp ? model.layers : 0; layer < (mtp ? model.layers + model.mtp_layers : model.layers); ++layer) {
    const int entry = entry_of(model, layer);
    const auto at = std::ranges::find(out, entry, &EntryLayers::entry);
    if (at == out.end())
      out.push_back({entry, 1});
    else
      ++at->layers;
  }
  return out;
}

int layers_of_kind(const Model& model, AttentionKind kind) {
  int out = 0;
  for (int layer = 0; layer < model.layers; ++layer) out += kind_of(model, layer) == kind;
  return out;
}

AttentionShape heads_of(const AttentionShape& attention, AttentionKind kind) {
  AttentionShape out = attention;
  if (kind != AttentionKind::windowed) return out;
  const WindowShape& w = *attention.window_heads;
  out.kind = w.heads == w.kv_heads ? AttentionKind::mha : AttentionKind::gqa;
  out.heads = w.heads;
  out.kv_heads = w.kv_heads;
  out.head_dim = w.head_dim;
  out.v_head_dim = w.v_head_dim;
  out.sinks = w.sinks;
  out.keys_are_values = false;
  return out;
}

int windowed_layers(const Model& model) {
  return model.attention.sliding_window > 0 ? int(model.attention.sliding_layers.size()) : 0;
}

int caching_layers(const Model& model) {
  const int delta = model.delta ? int(model.delta->layers.size()) : 0;
  const int mamba = model.mamba ? int(model.mamba->layers.size()) : 0;
  const int kimi = model.kimi ? int(model.kimi->layers.size()) : 0;
  return model.layers - delta - mamba - kimi - int(model.network_layers.size());
}

namespace {
LayerAttention attention_of(const Model& m, int layer) {
  LayerAttention out;
  out.kind = kind_of(m, layer);
  if (!caches_tokens(out.kind)) {
    out.rope.active = false;
    return out;
  }
  if (is_windowed(m.attention, layer)) {
    out.reads = windowed_read(m);
    out.keeps = windowed_keep(m);
  }
  out.index = index_of(m, layer);
  if (out.index != IndexUse::none) out.reads = windowed_read(m);
  if (out.kind == AttentionKind::compressed) {
    out.window = m.attention.compressed->window;
    out.entry = entry_of(m, layer);
    if (out.entry == 0) out.reads = {KeysRead::Span::sliding, out.window};
  }
  out.rope = rope_of(m, layer, out.kind);
  out.head_norm = head_norm_of(m, out.rope.active);
  return out;
}
}  // namespace

LayerShape layer_shape(const Model& model, int layer) {
  LayerShape out;
  out.attention = attention_of(model, layer);
  if (layer < model.layers ? is_mixture(model, layer) : model.moe.has_value())
    out.ffn = {FfnKind::experts, model.moe->expert_width};
  else if (model.halved())
    out.ffn = {FfnKind::none, 0};
  else
    out.ffn = {FfnKind::dense, model.dense_width};
  return out;
}

std::vector<LayerShape> layer_shapes(const Model& model) {
  std::vector<LayerShape> out;
  for (int layer = 0; layer < model.layers; ++layer) out.push_back(layer_shape(model, layer));
  return out;
}

bool Model::has_qk_norm_weights() const {
  return attention.qk_norm && !attention.qk_norm_bare && !traits_of(architecture).weightless_head_norm;
}

bool Model::is_moe_layer(int layer) const { return is_mixture(*this, layer); }

std::vector<int> Model::moe_layers() const {
  std::vector<int> out;
  for (int layer = 0; layer < layers; ++layer)
    if (is_mixture(*this, layer)) out.push_back(layer);
  return out;
}
}  // namespace moesim::spec
