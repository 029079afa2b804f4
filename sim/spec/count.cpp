// Cache bytes and operations of one token.
#include "spec/count.h"

#include <algorithm>

namespace moesim {
namespace {
/// Tokens kept or attended to, summed over layers, by a token with `context` tokens up to and with itself.
double attended(const Model& m, std::int64_t context) {
  const auto windowed = std::int64_t(m.attention.sliding_layers.size());
  const std::int64_t near = std::min<std::int64_t>(context, m.attention.sliding_window);
  return double((m.layers - windowed) * context + windowed * near);
}
/// Mean over the tokens of a sequence, by half the square (causal) or the whole square.
double mean_attended(const Model& m, std::int64_t length, bool causal) {
  const auto windowed = double(m.attention.sliding_layers.size());
  const auto whole = double(length), window = double(std::min<std::int64_t>(length, m.attention.sliding_window));
  if (!causal) return (double(m.layers) - windowed) * whole + windowed * window;
  // Of a window's tokens, the first ones of the sequence see fewer; a chunk is a short sequence of its own.
  const double near = m.attention.chunked ? window / 2 : window - window * window / (2 * whole);
  return (double(m.layers) - windowed) * whole / 2 + windowed * near;
}
double forward(const Model& m, double tokens, double width) {
  return 2 * double(count_parameters(m).active_no_embedding) + 2 * double(m.attention.heads) * width * tokens;
}
double full_width(const Model& m) { return double(m.attention.head_dim + m.attention.v_head_dim); }
}  // namespace

Bytes cache_bytes_per_layer(const Model& model, CacheFormat format) {
  const AttentionShape& a = model.attention;
  const bool mla = a.kind == AttentionKind::mla;
  const std::int64_t elements =
      mla ? std::int64_t{a.kv_lora_rank} + a.qk_rope_head_dim : std::int64_t{a.kv_heads} * (a.head_dim + a.v_head_dim);
  if (format == CacheFormat::bf16) return {2 * elements};
  if (format == CacheFormat::fp8 || !mla) return {elements};
  return {a.kv_lora_rank + 4 * ((a.kv_lora_rank + 127) / 128) + 2 * a.qk_rope_head_dim};
}

Bytes cache_bytes_per_token(const Model& model, CacheFormat format) {
  return cache_bytes_per_layer(model, format) * model.layers;
}

Bytes cache_bytes(const Model& model, std::int64_t context, CacheFormat format) {
  return cache_bytes_per_layer(model, format) * std::int64_t(attended(model, context));
}

Bytes cache_bytes_as(const Model& model, AttentionKind kind, std::int64_t context, CacheFormat format) {
  constexpr int kGroups = 8, kLatent = 512, kRope = 64;
  Model other = model;
  AttentionShape& a = other.attention;
  if (kind != AttentionKind::mla) {
    a.head_dim = a.v_head_dim;  // MLA's queries and keys carry the rope part besides
    a.kv_heads = kind == AttentionKind::mha ? a.heads : kGroups;
  } else if (a.kind != AttentionKind::mla) {
    a.kv_lora_rank = kLatent;
    a.qk_rope_head_dim = kRope;
  }
  a.kind = kind;
  return cache_bytes(other, context, format);
}

Flops decode_flops(const Model& model, std::int64_t context) {
  const AttentionShape& a = model.attention;
  const double width =
      a.kind == AttentionKind::mla ? double(2 * a.kv_lora_rank + a.qk_rope_head_dim) : full_width(model);
  return {forward(model, attended(model, context), width)};
}

Flops prefill_flops(const Model& model, std::int64_t length) {
  return {forward(model, mean_attended(model, length, true), full_width(model))};
}

Flops training_flops(const Model& model, std::int64_t length, bool causal) {
  return {3 * forward(model, mean_attended(model, length, causal), full_width(model))};
}
}  // namespace moesim
