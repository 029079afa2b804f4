#include "spec/hugging_face_attention.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/check_model.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
/// Every layer of `layers` that `picks` says so.
template <class Picks>
std::vector<int> layers_where(int layers, Picks picks) {
  std::vector<int> out;
  for (int layer = 0; layer < layers; ++layer)
    if (picks(layer)) out.push_back(layer);
  return out;
}

void read_latent_attention(const formats::JsonObject& v, AttentionShape& a) {
  a.kind = AttentionKind::mla;
  a.heads = a.kv_heads = v.whole("num_attention_heads");
  a.q_lora_rank = v.whole_or("q_lora_rank", 0);
  a.kv_lora_rank = v.whole("kv_lora_rank");
  a.qk_nope_head_dim = int(v.integer("qk_nope_head_dim", 0, kMostWidth));
  a.qk_rope_head_dim = int(v.integer("qk_rope_head_dim", 0, kMostWidth));
  a.head_dim = a.qk_nope_head_dim + a.qk_rope_head_dim;
  a.v_head_dim = v.whole("v_head_dim");
}

/// What a missing key means is in Llama4TextConfig of transformers' configuration_llama4.py.  Its first version took
/// a number for the flag, 4, where any but 0 means true.
void read_temperature(const formats::JsonObject& v, AttentionShape& a) {
  const bool tuned = v.has_number("attn_temperature_tuning") ? v.number_or("attn_temperature_tuning", 0) != 0
                                                             : v.flag_or("attn_temperature_tuning", true);
  if (!tuned) return;
  a.temperature_scale = v.number_or("attn_scale", 0.1);
  a.temperature_floor = v.number_or("floor_scale", 8192);
}

/// What a missing head_dim means: in Gemma3TextConfig and GptOssConfig of transformers a number of its own; 0: the
/// width, shared out among the heads.
int usual_head_dim(const ArchitectureTraits& family) {
  if (family.windowed == WindowedLayers::but_every_nth) return 256;
  return family.sinks ? 64 : 0;
}

/// Heads where a config.json does not say them: of Gemma3TextConfig and MistralConfig; 0: it must, or as many as heads.
struct UsualHeads {
  int heads = 0, kv_heads = 0;
};
UsualHeads usual_heads(Architecture architecture) {
  if (architecture == Architecture::gemma3) return {8, 4};
  if (architecture == Architecture::mistral) return {0, 8};
  return {};
}

void read_head_attention(const formats::JsonObject& v, Model& m) {
  AttentionShape& a = m.attention;
  const UsualHeads missing = usual_heads(m.architecture);
  a.heads = missing.heads > 0 ? v.whole_or("num_attention_heads", missing.heads) : v.whole("num_attention_heads");
  a.kv_heads = v.whole_or("num_key_value_heads", missing.kv_heads > 0 ? missing.kv_heads : a.heads);
  if (a.heads == 0) v.fail("num_attention_heads", "must be more than 0, got 0");
  const ArchitectureTraits& family = traits_of(m.architecture);
  const int usual = usual_head_dim(family);
  if (!v.has("head_dim") && usual == 0 && m.hidden % a.heads != 0)
    v.fail("num_attention_heads",
           fmt::format("must divide hidden_size {} when head_dim is missing, got {}", m.hidden, a.heads));
  a.head_dim = a.v_head_dim = v.whole_or("head_dim", usual > 0 ? usual : m.hidden / a.heads);
  a.kind = a.kv_heads == a.heads ? AttentionKind::mha : AttentionKind::gqa;
  a.qkv_bias = family.qkv_bias || v.flag_or("attention_bias", false);
  a.o_bias = a.qkv_bias && family.output_takes_bias;
  a.qk_norm = family.qk_norm || v.flag_or("use_qk_norm", family.missing.qk_norm);
  a.sinks = family.sinks;
  a.query_scalar = v.number_or("query_pre_attn_scalar", family.missing.query_scalar);
  if (family.chunk_keys) read_temperature(v, a);
}

/// The windowed layers of a config.json that does not list them.
std::vector<int> usual_windowed_layers(const formats::JsonObject& v, const Model& m) {
  switch (traits_of(m.architecture).windowed) {
    case WindowedLayers::from_one_on:
      return layers_where(m.layers, [&](int layer) { return layer >= v.whole_or("max_window_layers", 0); });
    case WindowedLayers::even:
      return layers_where(m.layers, [](int layer) { return layer % 2 == 0; });
    case WindowedLayers::but_every_nth: {
      const int every = v.whole_or("sliding_window_pattern", 6);
      if (every < 1) v.fail("sliding_window_pattern", "must be more than 0");
      return layers_where(m.layers, [&](int layer) { return (layer + 1) % every != 0; });
    }
  }
  return {};
}

void read_widths(const formats::JsonObject& v, Model& m) {
  switch (traits_of(m.architecture).attention) {
    case AttentionKind::mha:
    case AttentionKind::gqa:
      return read_head_attention(v, m);
    case AttentionKind::mla:
      return read_latent_attention(v, m.attention);
    case AttentionKind::dsa:
      read_latent_attention(v, m.attention);
      m.attention.kind = AttentionKind::dsa;
      return read_indexer(v, m);
    case AttentionKind::gated_delta:  // beside another kind: read with the release
    case AttentionKind::mamba2:
    case AttentionKind::kimi_delta:
    case AttentionKind::block_sparse:
    case AttentionKind::windowed:
    case AttentionKind::factored:
    case AttentionKind::compressed:
    case AttentionKind::none:
      break;
  }
}

void read_windows(const formats::JsonObject& v, Model& m) {
  AttentionShape& a = m.attention;
  if (traits_of(m.architecture).chunk_keys) {
    a.sliding_window = v.whole_or("attention_chunk_size", 0);
    if (a.sliding_window > 0)
      a.sliding_layers = layers_where(m.layers, [&](int layer) { return has_rope(m.rope, layer); });
    a.chunked = a.sliding_window > 0;
    return;
  }
  if (!v.has("sliding_window") || !v.flag_or("use_sliding_window", true)) return;
  a.sliding_window = v.whole("sliding_window");
  if (v.has("layer_types")) {
    const std::vector<std::string> kinds = v.words("layer_types");
    if (int(kinds.size()) != m.layers)
      v.fail("layer_types",
             fmt::format("must have one entry for each of the {} layers, has {}", m.layers, kinds.size()));
    a.sliding_layers =
        layers_where(m.layers, [&](int layer) { return kinds[std::size_t(layer)] == "sliding_attention"; });
  } else {
    a.sliding_layers = usual_windowed_layers(v, m);
  }
  if (a.sliding_layers.empty()) a.sliding_window = 0;
}

void read_rope_scaling(const formats::JsonObject& s, RopeShape& r) {
  const std::string kind = s.text_or("rope_type", s.text_or("type", ""));
  // proportional (Gemma-4): the frequencies of a whole head for the share of it that turns; not stretched.
  if (kind == "default" || kind == "proportional") return;
  if (kind != "yarn" && kind != "llama3" && kind != "linear")
    s.fail("type", fmt::format("expected yarn, llama3, linear or default, got \"{}\"", kind));
  r.scaling = kind;
  r.factor = s.number_or("factor", 0);
  if (!(r.factor >= 1)) s.fail("factor", fmt::format("must be 1 or more, got {}", r.factor));
  r.original_positions = s.whole_or("original_max_position_embeddings", 0);
  if (kind != "linear" && r.original_positions == 0) s.fail("missing key \"original_max_position_embeddings\"");
  r.beta_fast = s.number_or("beta_fast", r.beta_fast);
  r.beta_slow = s.number_or("beta_slow", r.beta_slow);
  r.mscale = s.number_or("mscale", r.mscale);
  r.mscale_all_dim = s.number_or("mscale_all_dim", r.mscale_all_dim);
  r.low_freq_factor = s.number_or("low_freq_factor", r.low_freq_factor);
  r.high_freq_factor = s.number_or("high_freq_factor", r.high_freq_factor);
  r.truncate = s.flag_or("truncate", true);
}

/// Llama-4: a 1 or 0 for each layer, or every how many layers one has no RoPE.
int read_no_rope(const formats::JsonObject& v, int layers) {
  const std::vector<int> rotating = v.has("no_rope_layers") ? v.list("no_rope_layers") : std::vector<int>{};
  if (rotating.empty()) {
    const int every = v.whole_or("no_rope_layer_interval", 4);
    if (every < 1) v.fail("no_rope_layer_interval", "must be more than 0");
    return every;
  }
  if (int(rotating.size()) < layers)
    v.fail("no_rope_layers",
           fmt::format("must have one entry for each of the {} layers, has {}", layers, rotating.size()));
  RopeShape shape;
  const auto first = std::find(rotating.begin(), rotating.begin() + layers, 0) - rotating.begin();
  if (first < layers) shape.no_rope_every = int(first) + 1;
  for (int layer = 0; layer < layers; ++layer)
    if ((rotating[std::size_t(layer)] != 0) != has_rope(shape, layer))
      v.fail("no_rope_layers", "only every n-th layer can be without RoPE");
  return shape.no_rope_every;
}
}  // namespace

/// Up to transformers 4: rope_theta and rope_scaling; from 5 on: rope_parameters, one for each kind of layer if they
/// differ.
void read_rope(const formats::JsonObject& v, Model& m) {
  RopeShape& r = m.rope;
  const ArchitectureTraits& family = traits_of(m.architecture);
  r.theta = v.number_or("rope_theta", family.missing.rope_theta);
  r.local_theta = v.number_or("rope_local_base_freq", family.missing.local_theta);
  r.partial = v.number_or("partial_rotary_factor", family.missing.partial_rotary);
  if (v.has("rope_parameters")) {
    formats::JsonObject p = v.part("rope_parameters");
    if (p.has("sliding_attention")) r.local_theta = p.part("sliding_attention").number_or("rope_theta", r.local_theta);
    double local = 0;
    if (p.has("sliding_attention")) local = p.part("sliding_attention").number_or("partial_rotary_factor", 1);
    if (p.has("full_attention")) p = p.part("full_attention");
    r.theta = p.number_or("rope_theta", r.theta);
    r.partial = p.number_or("partial_rotary_factor", r.partial);
    if (local != r.partial) r.local_partial = local;
    read_rope_scaling(p, r);
  } else if (v.has("rope_scaling")) {
    read_rope_scaling(v.part("rope_scaling"), r);
  }
  if (family.chunk_keys) r.no_rope_every = read_no_rope(v, m.layers);
}

void read_attention(const formats::JsonObject& v, Model& m) {
  read_widths(v, m);
  read_windows(v, m);
}
}  // namespace moesim::spec
