#include "spec/release/mixers.h"

#include <fmt/format.h>

#include "core/ceil_div.h"

namespace moesim::spec {
namespace {
using Kind = TensorKind;

CacheEntry plain_entry(std::int64_t elements, std::int64_t last = 0) {
  return {.bf16 = 2 * elements, .fp8 = elements, .packed = elements, .last = last};
}

/// The keys of an indexer, FP8 with an FP32 scale as DeepSeek's own code stores them, whatever the cache beside is.
CacheEntry index_entry(std::int64_t width) {
  const std::int64_t bytes = width + 4 * ceil_div(width, std::int64_t{128});
  return {.bf16 = bytes, .fp8 = bytes, .packed = bytes, .index = true};
}

struct MixerEmitter {
  Emitter& e;
  std::int64_t h;
  const ModuleNames& names;
  const std::string& suffix;  // of a layer's second attention
  ReleaseLayer& layer;

  std::string at(std::string_view module, std::string_view part) const {
    return fmt::format("{}{}.{}", module, suffix, part);
  }
  void matrix(Kind kind, std::string_view module, std::string_view part, std::int64_t rows, std::int64_t columns) {
    e.matrix(kind, at(module, part), rows, columns);
  }
  void vector(Kind kind, std::string_view module, std::string_view part, std::int64_t width) {
    e.vector(kind, at(module, part), width);
  }

  void operator()(const HeadPlan& p) {
    const std::string& m = names.attention;
    const std::int64_t q = std::int64_t{p.heads} * p.head_dim, k = std::int64_t{p.kv_heads} * p.head_dim,
                       v = std::int64_t{p.kv_heads} * p.v_head_dim, o = std::int64_t{p.heads} * p.v_head_dim;
    const int wide = p.gate == HeadPlan::Gate::wide_query ? 2 : 1;
    if (p.q_rank > 0) {
      matrix(Kind::attention, m, "q_proj", p.q_rank, h);
      vector(Kind::attention, m, "inter_norm", p.q_rank);
      matrix(Kind::attention, m, "wq", q, p.q_rank);
    } else {
      matrix(Kind::attention, m, "q_proj", q * wide, h);
    }
    if (p.q_bias) vector(Kind::attention, m, "q_proj.bias", q * wide);
    if (!p.borrows_keys) {
      matrix(Kind::attention, m, "k_proj", k, h);
      if (p.kv_bias) vector(Kind::attention, m, "k_proj.bias", k);
      if (!p.keys_are_values) matrix(Kind::attention, m, "v_proj", v, h);
      if (p.kv_bias && !p.keys_are_values) vector(Kind::attention, m, "v_proj.bias", v);
    }
    norms_of_heads(p, q, k);
    matrix(Kind::attention, m, "o_proj", h, o);
    if (p.o_bias) vector(Kind::attention, m, "o_proj.bias", h);
    if (p.sinks) vector(Kind::attention, m, "sinks", p.heads);
    if (p.gate == HeadPlan::Gate::per_head) matrix(Kind::attention, m, "g_proj", p.heads, h);
    if (p.index_heads > 0) block_indexer(p);
    keep_keys(p, k + v);
  }
  void norms_of_heads(const HeadPlan& p, std::int64_t q, std::int64_t k) {
    if (p.norm == HeadPlan::Norm::none) return;
    const bool whole = p.norm == HeadPlan::Norm::whole;
    const auto put = [&](std::string_view part, std::int64_t width) {
      if (p.norm_uncounted)
        e.uncounted(Kind::attention, at(names.attention, part), width * p.norm_values);
      else
        vector(Kind::attention, names.attention, part, width * p.norm_values);
    };
    put("q_norm", whole ? q : p.head_dim);
    if (!p.borrows_keys) put("k_norm", whole ? k : p.head_dim);
  }
  void block_indexer(const HeadPlan& p) {
    const std::string& m = names.attention;
    matrix(Kind::indexer, m, "index_q_proj", std::int64_t{p.index_heads} * p.index_dim, h);
    matrix(Kind::indexer, m, "index_k_proj", p.index_dim, h);
    vector(Kind::indexer, m, "index_q_norm", p.index_dim);
    vector(Kind::indexer, m, "index_k_norm", p.index_dim);
    // assumed: BF16, whatever the cache beside it is in (spec/attention_blocks.cpp)
    const std::int64_t bytes = 2 * std::int64_t{p.index_dim};
    layer.cache.push_back({.bf16 = bytes, .fp8 = bytes, .packed = bytes, .index = true});
  }
  void keep_keys(const HeadPlan& p, std::int64_t elements) {
    layer.mixers.push_back(p.index_heads > 0 ? MixerKind::block_sparse
                           : p.window == 0   ? MixerKind::full
                           : p.chunked       ? MixerKind::chunk
                                             : MixerKind::window);
    if (!p.borrows_keys) layer.cache.push_back(plain_entry(elements, p.window));
  }

  void operator()(const LatentPlan& p) {
    const std::string& m = names.attention;
    const std::int64_t q = std::int64_t{p.heads} * (p.nope + p.rope), o = std::int64_t{p.heads} * p.v_dim;
    if (p.q_rank > 0) {
      matrix(Kind::attention, m, "q_a_proj", p.q_rank, h);
      if (p.bias) vector(Kind::attention, m, "q_a_proj.bias", p.q_rank);
      vector(Kind::attention, m, "q_a_layernorm", p.q_rank);
    }
    matrix(Kind::attention, m, p.q_rank > 0 ? "q_b_proj" : "q_proj", q, p.q_rank > 0 ? p.q_rank : h);
    matrix(Kind::attention, m, "kv_a_proj_with_mqa", p.kv_rank + p.rope, h);
    if (p.bias) vector(Kind::attention, m, "kv_a_proj_with_mqa.bias", p.kv_rank + p.rope);
    vector(Kind::attention, m, "kv_a_layernorm", p.kv_rank);
    matrix(Kind::attention, m, "kv_b_proj", std::int64_t{p.heads} * (p.nope + p.v_dim), p.kv_rank);
    matrix(Kind::attention, m, "o_proj", h, o);
    if (p.bias) vector(Kind::attention, m, "o_proj.bias", h);
    if (p.output_gate) matrix(Kind::attention, m, "g_proj", o, h);
    const std::int64_t width = p.kv_rank + p.rope;
    layer.cache.push_back({.bf16 = 2 * width,
                           .fp8 = width,
                           .packed = p.kv_rank + 4 * ceil_div(p.kv_rank, 128) + 2 * std::int64_t{p.rope}});
    const bool sparse = p.index_heads > 0 || p.reuses_index;
    layer.mixers.push_back(sparse ? MixerKind::sparse_latent : MixerKind::latent);
    if (p.index_heads == 0) return;
    matrix(Kind::indexer, m, "indexer.wq_b", std::int64_t{p.index_heads} * p.index_dim, p.q_rank > 0 ? p.q_rank : h);
    matrix(Kind::indexer, m, "indexer.wk", p.index_dim, h);
    vector(Kind::indexer, m, "indexer.k_norm", 2 * std::int64_t{p.index_dim});
    e.matrix(Kind::indexer, at(m, "indexer.weights_proj"), p.index_heads, h, Takes::nothing);
    layer.cache.push_back(index_entry(p.index_dim));
  }

  void operator()(const CompressedPlan& p) {
    const std::string& m = names.attention;
    const std::int64_t q = std::int64_t{p.heads} * p.head_dim, o = std::int64_t{p.o_groups} * p.o_rank;
    matrix(Kind::attention, m, "wq_a", p.q_rank, h);
    vector(Kind::attention, m, "q_norm", p.q_rank);
    matrix(Kind::attention, m, "wq_b", q, p.q_rank);
    matrix(Kind::attention, m, "wkv", p.head_dim, h);
    vector(Kind::attention, m, "kv_norm", p.head_dim);
    e.vector(Kind::attention, at(m, "attn_sink"), p.heads, true);
    matrix(Kind::attention, m, "wo_a", o, q / p.o_groups);
    matrix(Kind::attention, m, "wo_b", h, o);
    // The kernels store 448 columns in FP8 with 8 exponents beside 64 rotated ones in BF16: 584 B for 512.
    const std::int64_t packed = p.head_dim - p.rope + 2 * std::int64_t{p.rope} + 8;
    layer.cache.push_back({.bf16 = 2 * std::int64_t{p.head_dim}, .fp8 = packed, .packed = packed, .last = p.window});
    layer.mixers.push_back(p.ratio == 0 ? MixerKind::window
                           : p.indexed  ? MixerKind::compressed_sparse
                                        : MixerKind::compressed);
    if (p.ratio == 0) return;
    compressor(p, "compressor.", p.head_dim);
    layer.cache.push_back({.bf16 = 2 * std::int64_t{p.head_dim}, .fp8 = packed, .packed = packed, .every = p.ratio});
    if (!p.indexed) return;
    matrix(Kind::indexer, m, "indexer.wq_b", std::int64_t{p.index_heads} * p.index_dim, p.q_rank);
    e.matrix(Kind::indexer, at(m, "indexer.weights_proj"), p.index_heads, h, Takes::nothing);
    compressor(p, "indexer.compressor.", p.index_dim);
    // FP4 with an 8-bit exponent for 32.
    const std::int64_t index = p.index_dim / 2 + ceil_div(p.index_dim, 32);
    layer.cache.push_back(
        {.bf16 = 2 * std::int64_t{p.index_dim}, .fp8 = index, .packed = index, .every = p.ratio, .index = true});
  }
  /// Entries that overlap are made of two halves.  Its state: keys and gates of the tokens of an unfinished entry.
  void compressor(const CompressedPlan& p, const std::string& part, std::int64_t width) {
    const std::string& m = names.attention;
    const Kind kind = width == p.head_dim ? Kind::attention : Kind::indexer;
    const std::int64_t wide = p.indexed ? 2 * width : width;
    e.matrix(kind, at(m, part + "ape"), p.ratio, wide, Takes::nothing);
    e.out.back().fp32 = true;
    e.matrix(kind, at(m, part + "wkv"), wide, h, Takes::nothing);
    e.matrix(kind, at(m, part + "wgate"), wide, h, Takes::nothing);
    vector(kind, m, part + "norm", width);
    layer.state_bytes += std::int64_t{p.ratio} * 2 * wide * 4;
    layer.recurrent = true;
  }

  void operator()(const DeltaPlan& p) {
    const std::string& m = names.state;
    const std::int64_t key = std::int64_t{p.key_heads} * p.key_dim, value = std::int64_t{p.value_heads} * p.value_dim;
    if (p.apart) {
      matrix(Kind::state, m, "in_proj_qkv", 2 * key + value, h);
      matrix(Kind::state, m, "in_proj_z", value, h);
      matrix(Kind::state, m, "in_proj_b", p.value_heads, h);
      matrix(Kind::state, m, "in_proj_a", p.value_heads, h);
    } else {
      matrix(Kind::state, m, "in_proj_qkvz", 2 * key + 2 * value, h);
      matrix(Kind::state, m, "in_proj_ba", 2 * std::int64_t{p.value_heads}, h);
    }
    e.matrix(Kind::state, at(m, "conv1d"), 2 * key + value, p.convolution, Takes::nothing);
    vector(Kind::state, m, "A_log", p.value_heads);
    vector(Kind::state, m, "dt_bias", p.value_heads);
    vector(Kind::state, m, "norm", p.value_dim);
    matrix(Kind::state, m, "out_proj", h, value);
    keep_state(MixerKind::gated_delta, std::int64_t{p.value_heads} * p.key_dim * p.value_dim, p.convolution,
               2 * key + value);
  }
  /// An FP32 state, and the last inputs of the convolution in BF16.
  void keep_state(MixerKind kind, std::int64_t elements, int convolution, std::int64_t channels) {
    layer.mixers.push_back(kind);
    layer.state_bytes += 4 * elements + 2 * channels * (convolution > 0 ? convolution - 1 : 0);
    layer.recurrent = true;
  }

  void operator()(const KimiDeltaPlan& p) {
    const std::string& m = names.attention;
    const std::int64_t wide = std::int64_t{p.heads} * p.dim;
    for (const char* part : {"q", "k", "v"}) {
      matrix(Kind::state, m, fmt::format("{}_proj", part), wide, h);
      e.matrix(Kind::state, at(m, fmt::format("{}_conv1d", part)), wide, p.convolution, Takes::nothing);
    }
    vector(Kind::state, m, "A_log", p.heads);
    matrix(Kind::state, m, "f_a_proj", p.dim, h);
    matrix(Kind::state, m, "f_b_proj", wide, p.dim);
    vector(Kind::state, m, "dt_bias", wide);
    matrix(Kind::state, m, "b_proj", p.heads, h);
    if (p.full_gate) {
      matrix(Kind::state, m, "g_proj", wide, h);
    } else {
      matrix(Kind::state, m, "g_a_proj", p.dim, h);
      matrix(Kind::state, m, "g_b_proj", wide, p.dim);
    }
    vector(Kind::state, m, "o_norm", p.dim);
    matrix(Kind::state, m, "o_proj", h, wide);
    keep_state(MixerKind::kimi_delta, wide * p.dim, p.convolution, 3 * wide);
  }

  void operator()(const MambaPlan& p) {
    const std::string& m = names.state;
    const std::int64_t inner = p.second ? std::int64_t{p.heads} * p.head_dim : p.inner;
    const std::int64_t channels = p.second ? inner + 2 * std::int64_t{p.groups} * p.state : inner;
    matrix(Kind::state, m, "in_proj", p.second ? inner + channels + p.heads : 2 * inner, h);
    e.matrix(Kind::state, at(m, "conv1d"), channels, p.convolution, Takes::nothing);
    if (p.convolution_bias) vector(Kind::state, m, "conv1d.bias", channels);
    if (p.bias) vector(Kind::state, m, "in_proj.bias", p.second ? inner + channels + p.heads : 2 * inner);
    if (p.second) {
      for (const char* part : {"A_log", "D", "dt_bias"}) vector(Kind::state, m, part, p.heads);
      vector(Kind::state, m, "norm", inner);
    } else {
      matrix(Kind::state, m, "x_proj", p.step_rank + 2 * std::int64_t{p.state}, inner);
      matrix(Kind::state, m, "dt_proj", inner, p.step_rank);
      vector(Kind::state, m, "dt_proj.bias", inner);
      e.matrix(Kind::state, at(m, "A_log"), inner, p.state, Takes::nothing);
      vector(Kind::state, m, "D", inner);
      if (p.inner_norms) vector(Kind::state, m, "inner_layernorms", p.step_rank + 2 * std::int64_t{p.state});
    }
    matrix(Kind::state, m, "out_proj", h, inner);
    if (p.bias) vector(Kind::state, m, "out_proj.bias", h);
    keep_state(p.second ? MixerKind::mamba2 : MixerKind::mamba, inner * p.state, p.convolution, channels);
  }

  void operator()(const ShortConvolutionPlan& p) {
    matrix(Kind::state, "conv", "in_proj", 3 * h, h);
    e.matrix(Kind::state, "conv.conv", h, p.kernel, Takes::nothing);
    matrix(Kind::state, "conv", "out_proj", h, h);
    if (p.bias) vector(Kind::state, "conv", "bias", 5 * h);
    keep_state(MixerKind::short_convolution, 0, p.kernel, h);
  }

  void operator()(const LightningPlan& p) {
    const std::string& m = names.attention;
    const std::int64_t wide = std::int64_t{p.heads} * p.head_dim;
    matrix(Kind::state, m, "qkv_proj", 3 * wide, h);
    matrix(Kind::state, m, "output_gate", wide, h);
    matrix(Kind::state, m, "out_proj", h, wide);
    vector(Kind::state, m, "norm", p.gate_norm);
    if (p.norm) vector(Kind::state, m, "qk_norm", 2 * std::int64_t{p.head_dim});
    keep_state(MixerKind::lightning, wide * p.head_dim, 0, 0);
  }
};
}  // namespace

void emit_mixer(Emitter& e, const MixerPlan& mixer, int hidden, const ModuleNames& names, const std::string& suffix,
                ReleaseLayer& layer) {
  MixerEmitter emit{e, hidden, names, suffix, layer};
  std::visit(emit, mixer);
}
}  // namespace moesim::spec
