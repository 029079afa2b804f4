#include "spec/release/towers.h"

#include <fmt/format.h>

#include <array>

#include "spec/release/emit.h"

namespace moesim::spec {
namespace {
constexpr TensorKind kTower = TensorKind::tower;

int tower_depth(const Keys& v, const char* key, int fallback = 0) {
  const int out = fallback > 0 ? v.size_or(key, fallback) : v.size(key);
  if (out > kMostLayers) v.fail(key, fmt::format("expected at most {}, got {}", kMostLayers, out));
  return out;
}

/// Adds linear maps and norms of a tower.
struct Tower {
  Emitter e;
  void linear(const std::string& name, std::int64_t rows, std::int64_t columns, bool bias) {
    e.matrix(kTower, name, rows, columns);
    if (bias) e.vector(kTower, name + ".bias", rows);
  }
  void fixed(const std::string& name, std::int64_t rows, std::int64_t columns) {
    e.matrix(kTower, name, rows, columns, Takes::nothing);
  }
  void norm(const std::string& name, std::int64_t width, bool bias = true) {
    e.vector(kTower, name, bias ? 2 * width : width);
  }
};

/// Qwen3-VL and 3.5: a patch embedding, learned positions, blocks, and mergers of 2 x 2 patches.
/// Source: transformers' modeling_qwen3_vl.py.
void read_qwen_tower(const Keys& v, Tower& t) {
  const std::int64_t h = v.size_or("hidden_size", 1152), wide = v.size_or("intermediate_size", 4304),
                     patch = v.size_or("patch_size", 16), merge = v.size_or("spatial_merge_size", 2),
                     out = v.size_or("out_hidden_size", 3584);
  const std::int64_t pixels =
      std::int64_t{v.size_or("in_channels", 3)} * v.size_or("temporal_patch_size", 2) * patch * patch;
  t.fixed("patch_embed", h, pixels);
  t.norm("patch_embed.bias", h, false);
  t.fixed("pos_embed", v.size_or("num_position_embeddings", 2304), h);
  const int depth = tower_depth(v, "depth", 27);
  for (int i = 0; i < depth; ++i) {
    const std::string at = fmt::format("blocks.{}.", i);
    t.norm(at + "norm1", h);
    t.norm(at + "norm2", h);
    t.linear(at + "attn.qkv", 3 * h, h, true);
    t.linear(at + "attn.proj", h, h, true);
    t.linear(at + "mlp.linear_fc1", wide, h, true);
    t.linear(at + "mlp.linear_fc2", h, wide, true);
  }
  if (merge > 64) v.fail("spatial_merge_size", fmt::format("expected at most 64, got {}", merge));
  const std::int64_t merged = h * merge * merge;
  const auto merger = [&](const std::string& at, std::int64_t norm) {
    t.norm(at + "norm", norm);
    t.linear(at + "linear_fc1", merged, merged, true);
    t.linear(at + "linear_fc2", out, merged, true);
  };
  merger("merger.", h);
  const std::size_t deep = v.has("deepstack_visual_indexes") ? v.list("deepstack_visual_indexes").size() : 0;
  for (std::size_t i = 0; i < deep; ++i) merger(fmt::format("deepstack_merger_list.{}.", i), merged);
}

/// Kimi's MoonViT.  Source: modeling_kimi_k25.py of the release.
void read_moon_tower(const Keys& v, Tower& t) {
  const std::int64_t h = v.size("vt_hidden_size"), wide = v.size("vt_intermediate_size"),
                     patch = v.size_or("patch_size", 14), heads = v.size_or("qkv_hidden_size", int(h)),
                     text = v.size("text_hidden_size"), joined = 4 * h;
  const bool attention_bias = v.flag_or("attn_bias", true), bias = v.flag_or("linear_bias", true),
             patch_bias = v.flag_or("patch_embed_proj_bias", true),
             plain = v.text_or("norm_type", "layernorm") == "rmsnorm";
  t.fixed("patch_embed.proj", h, 3 * patch * patch);
  if (patch_bias) t.norm("patch_embed.bias", h, false);
  t.fixed("patch_embed.pos_emb",
          std::int64_t{v.size_or("init_pos_emb_height", 64)} * v.size_or("init_pos_emb_width", 64), h);
  const int depth = tower_depth(v, "vt_num_hidden_layers");
  for (int i = 0; i < depth; ++i) {
    const std::string at = fmt::format("encoder.blocks.{}.", i);
    t.norm(at + "norm0", h, !plain);
    t.norm(at + "norm1", h, !plain);
    t.linear(at + "wqkv", 3 * heads, h, attention_bias);
    t.linear(at + "wo", h, heads, attention_bias);
    t.linear(at + "mlp.fc0", wide, h, bias);
    t.linear(at + "mlp.fc1", h, wide, bias);
  }
  t.norm("encoder.final_layernorm", h, !plain);
  t.norm("mm_projector.pre_norm", h, !plain);
  t.linear("mm_projector.linear_1", joined, joined, bias);
  t.linear("mm_projector.linear_2", text, joined, bias);
}

/// Gemma-4.  Source: transformers' modeling_gemma4.py.
void read_gemma4_tower(const Keys& v, Tower& t, std::int64_t text) {
  const std::int64_t h = v.size("hidden_size"), wide = v.size("intermediate_size"),
                     heads = v.size("num_attention_heads"), groups = v.size_or("num_key_value_heads", int(heads)),
                     dim = v.size_or("head_dim", int(h / heads)), patch = v.size_or("patch_size", 16);
  t.fixed("patch_embedder.input_proj", h, 3 * patch * patch);
  t.fixed("patch_embedder.position_embedding_table", 2 * std::int64_t{v.size_or("position_embedding_size", 10240)}, h);
  const int depth = tower_depth(v, "num_hidden_layers");
  for (int i = 0; i < depth; ++i) {
    const std::string at = fmt::format("encoder.layers.{}.", i);
    for (int n = 0; n < 4; ++n) t.norm(fmt::format("{}norm{}", at, n), h, false);
    t.linear(at + "self_attn.q_proj", heads * dim, h, false);
    t.linear(at + "self_attn.k_proj", groups * dim, h, false);
    t.linear(at + "self_attn.v_proj", groups * dim, h, false);
    t.linear(at + "self_attn.o_proj", h, heads * dim, false);
    t.norm(at + "self_attn.qk_norm", 2 * dim, false);
    t.linear(at + "mlp.gate_proj", wide, h, false);
    t.linear(at + "mlp.up_proj", wide, h, false);
    t.linear(at + "mlp.down_proj", h, wide, false);
  }
  t.linear("embed_vision.embedding_projection", text, h, false);
}

/// Llama-4.  Source: transformers' modeling_llama4.py.
void read_llama4_tower(const Keys& v, Tower& t, std::int64_t text) {
  const std::int64_t h = v.size_or("hidden_size", 768), wide = v.size_or("intermediate_size", 5632),
                     patch = v.size_or("patch_size", 14), side = v.size_or("image_size", 448) / patch,
                     in = v.size_or("projector_input_dim", 4096), out = v.size_or("projector_output_dim", 4096),
                     given = v.size_or("vision_output_dim", 7680);
  t.fixed("class_embedding", 1, h);
  t.fixed("positional_embedding_vlm", side * side + 1, h);
  t.fixed("patch_embedding.linear", h, std::int64_t{v.size_or("num_channels", 3)} * patch * patch);
  t.norm("layernorm_pre", h);
  t.norm("layernorm_post", h);
  const int depth = tower_depth(v, "num_hidden_layers", 34);
  for (int i = 0; i < depth; ++i) {
    const std::string at = fmt::format("model.layers.{}.", i);
    for (const char* part : {"q_proj", "k_proj", "v_proj", "o_proj"}) t.linear(at + "self_attn." + part, h, h, true);
    t.linear(at + "mlp.fc1", wide, h, true);
    t.linear(at + "mlp.fc2", h, wide, true);
    t.norm(at + "input_layernorm", h);
    t.norm(at + "post_attention_layernorm", h);
  }
  const double ratio = v.has("pixel_shuffle_ratio") ? v.object().number("pixel_shuffle_ratio") : 0.5;
  const auto shuffled = std::int64_t(double(h) / (ratio * ratio));
  t.linear("vision_adapter.mlp.fc1", in, shuffled, false);
  t.linear("vision_adapter.mlp.fc2", out, in, false);
  t.linear("multi_modal_projector.linear_1", text, given, false);
}

/// SigLIP under Gemma-3.  Source: transformers' modeling_siglip.py and modeling_gemma3.py.
void read_siglip_tower(const Keys& v, Tower& t, std::int64_t text) {
  const std::int64_t h = v.size_or("hidden_size", 1152), wide = v.size_or("intermediate_size", 4304),
                     patch = v.size_or("patch_size", 14), side = v.size_or("image_size", 896) / patch;
  t.fixed("embeddings.patch_embedding", h, 3 * patch * patch);
  t.norm("embeddings.patch_embedding.bias", h, false);
  t.fixed("embeddings.position_embedding", side * side, h);
  const int depth = tower_depth(v, "num_hidden_layers", 27);
  for (int i = 0; i < depth; ++i) {
    const std::string at = fmt::format("encoder.layers.{}.", i);
    for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"}) t.linear(at + "self_attn." + part, h, h, true);
    t.linear(at + "mlp.fc1", wide, h, true);
    t.linear(at + "mlp.fc2", h, wide, true);
    t.norm(at + "layer_norm1", h);
    t.norm(at + "layer_norm2", h);
  }
  t.norm("post_layernorm", h);
  t.norm("mm_soft_emb_norm", h, false);
  t.linear("mm_input_projection_weight", text, h, false);
}
}  // namespace

void read_towers(const Keys& root, std::string_view type, Plan& plan) {
  std::vector<Tensor> out;
  if (root.has("vision_config")) {
    const Keys v = root.part("vision_config");
    Tower t{{out, Owner::vision, type.starts_with("qwen") ? "visual." : "vision_tower."}};
    if (type.starts_with("qwen3_vl") || type.starts_with("qwen3_5"))
      read_qwen_tower(v, t);
    else if (v.has("vt_hidden_size"))
      read_moon_tower(v, t);
    else if (type == "gemma4" && v.has("hidden_size"))
      read_gemma4_tower(v, t, plan.hidden);
    else if (type == "llama4")
      t.e.prefix = "vision_model.", read_llama4_tower(v, t, plan.hidden);
    else if (type == "gemma3")
      read_siglip_tower(v, t, plan.hidden);
    else
      plan.notes.push_back(fmt::format("the vision tower of \"{}\" is not read: its weights are missing here", type));
  }
  if (root.has("audio_config"))
    plan.notes.push_back(fmt::format("the audio tower of \"{}\" is not read: its weights are missing here", type));
  plan.towers = std::move(out);
}
}  // namespace moesim::spec
