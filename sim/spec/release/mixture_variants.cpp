// More decoders of attention heads and experts, with keys or layers of their own: ERNIE, Hunyuan, DBRX, Arctic, Grok,
// Llama-4.  Sources: as in mixture.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "spec/release/families.h"
#include "spec/release/pieces.h"

namespace moesim::spec {
namespace {
using Norm = HeadPlan::Norm;

Plan read_ernie(const Keys& k, std::string_view) {
  Plan plan = start_plan(k, {.tied = true});
  HeadPlan heads = read_heads(k, plan);
  heads.q_bias = heads.kv_bias = heads.o_bias = k.flag_or("use_bias", false);
  ExpertPlan x{.experts = k.same_for_all("moe_num_experts", 64, 1), .top_k = k.size_or("moe_k", 6)};
  check_experts(k, x, "moe_k");
  x.width = k.size("moe_intermediate_size");
  x.shared_width = width_of(k, "moe_num_shared_experts", k.whole_or("moe_num_shared_experts", 2), x.width);
  x.selection_bias = k.flag_or("moe_use_aux_free", true);
  const int layers = int(plan.layers.size()), first = k.whole_or("moe_layer_start_index", 1),
            every = k.size_or("moe_layer_interval", 1);
  int last = layers - 1;
  if (k.has("moe_layer_end_index")) last = int(k.object().integer("moe_layer_end_index", -1, 1 << 20));
  if (last < 0) last = layers - 1;
  std::vector<bool> where;
  for (int i = 0; i < layers; ++i) where.push_back((i + 1) % every == 0 && i >= first && i <= last);
  all_layers(plan, with_heads(heads));
  place_ffn(plan, where, x, dense_width(k, where));
  mtp_like_last(plan, mtp_modules(k));
  plan.names.gate = "gate";
  return plan;
}

/// Hunyuan: numbers that may be lists; with cross-layer attention, layers between owners of keys; the first
/// moe_layer_num_skipped layers are dense.
Plan read_hunyuan(const Keys& k, std::string_view) {
  Plan plan = start_plan(k, {.tied = true});
  const int layers = int(plan.layers.size());
  HeadPlan heads = read_heads(k, plan, {.o_bias = true});
  if (k.flag_or("use_qk_norm", true)) heads.norm = Norm::head;
  ExpertPlan x{.experts = k.same_for_all("num_experts", 1, layers),
               .top_k = k.same_for_all("moe_topk", 1, layers),
               .width = k.same_for_all(k.has("moe_intermediate_size") ? "moe_intermediate_size" : "intermediate_size",
                                       0, layers)};
  check_experts(k, x, "moe_topk");
  x.shared_width = k.flag_or("use_mixed_mlp_moe", true)
                       ? width_of(k, "num_shared_expert", k.same_for_all("num_shared_expert", 1, layers),
                                  k.size("intermediate_size"))
                       : 0;
  const int owners = k.flag_or("use_cla", false) ? k.size_or("cla_share_factor", 2) : 1;
  const int skipped = k.whole_or("moe_layer_num_skipped", 0);
  if (skipped < 0 || skipped > layers)
    k.fail("moe_layer_num_skipped", fmt::format("expected 0 to num_hidden_layers {}, got {}", layers, skipped));
  std::vector<bool> where;
  for (int i = 0; i < layers; ++i) {
    heads.borrows_keys = i % owners != 0;
    plan.layers[std::size_t(i)] = with_heads(heads);
    where.push_back(i >= skipped);
  }
  place_ffn(plan, where, x, dense_width(k, where));
  plan.names.gate = "gate.wg";
  plan.names.shared = "shared_mlp";
  return plan;
}

/// DBRX: names of its own, in two parts.
Plan read_dbrx(const Keys& k, std::string_view) {
  Plan plan;
  plan.hidden = k.size("d_model");
  plan.vocabulary = k.size("vocab_size");
  const int layers = k.size("n_layers");
  if (layers > kMostLayers) k.fail("n_layers", fmt::format("expected at most {}, got {}", kMostLayers, layers));
  plan.tied = k.flag_or("tie_word_embeddings", false);
  plan.max_positions = k.whole_or("max_seq_len", 0);
  const Keys a = k.part("attn_config"), f = k.part("ffn_config");
  HeadPlan heads;
  heads.heads = k.size("n_heads");
  if (plan.hidden % heads.heads != 0)
    k.fail("n_heads", fmt::format("must divide d_model {}, got {}", plan.hidden, heads.heads));
  heads.head_dim = heads.v_head_dim = plan.hidden / heads.heads;
  heads.kv_heads = a.size("kv_n_heads");
  check_groups(k, "n_heads", heads.heads, "attn_config.kv_n_heads", heads.kv_heads);
  ExpertPlan x{.experts = f.size("moe_num_experts"), .top_k = f.size("moe_top_k"), .width = f.size("ffn_hidden_size")};
  check_experts(f, x, "moe_top_k");
  LayerPlan layer = with_heads(heads);
  layer.experts = x;
  plan.layers.assign(std::size_t(layers), layer);
  plan.names.gate = "router";
  return plan;
}

/// Snowflake Arctic: a dense network as wide as the model beside the experts.
Plan read_arctic(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const HeadPlan heads = read_heads(k, plan, {.o_bias = true});
  ExpertPlan x = read_local_experts(k, 8, 1);
  const int every = k.size_or("moe_layer_frequency", 2);
  const bool beside = k.flag_or("parallel_attn_mlp_res", false) || k.flag_or("use_residual", true);
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    LayerPlan layer = with_heads(heads, 2);
    if ((int(i) + 1) % every == 0) {
      layer.experts = x;
      if (beside) layer.dense = {plan.hidden}, layer.norms = 3;
    } else {
      layer.dense = {x.width};
    }
    plan.layers[i] = layer;
  }
  name_mixtral(plan);
  plan.names.dense = "residual_mlp";
  return plan;
}

/// Grok-1, and Grok-2 with a dense network beside the experts.
Plan read_grok(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const HeadPlan heads = read_heads(k, plan);
  ExpertPlan x{.experts = k.size(k.named({"num_local_experts", "num_experts"})),
               .top_k = k.size_or("num_experts_per_tok", 2),
               .width = k.size(k.has("moe_intermediate_size") ? "moe_intermediate_size" : "intermediate_size")};
  check_experts(k, x, "num_experts_per_tok");
  LayerPlan layer = with_heads(heads, 4);
  layer.experts = x;
  if (k.flag_or("residual_moe", false)) layer.dense = {k.size("intermediate_size")};
  all_layers(plan, layer);
  name_mixtral(plan);
  return plan;
}

/// Llama-4: one shared expert; every n-th layer is a mixture; three of four layers see a chunk.
Plan read_llama4(const Keys& k, std::string_view) {
  Plan plan = start_plan(k, {.vocabulary = 202048});
  HeadPlan heads = read_heads(k, plan, {.o_bias = true});
  (void)k.flag_or("use_qk_norm", true);  // has no weights
  ExpertPlan x = read_local_experts(k, 16, 1);
  x.shared_width = x.width;
  const int layers = int(plan.layers.size()), every = k.size_or("interleave_moe_layer_step", 1),
            interval = k.size_or("no_rope_layer_interval", 4), chunk = k.whole_or("attention_chunk_size", 8192);
  std::vector<int> rotates = k.has("no_rope_layers") ? k.list("no_rope_layers") : std::vector<int>{};
  if (!rotates.empty()) k.check_length("no_rope_layers", rotates.size(), layers);
  std::vector<bool> where;
  if (k.has("moe_layers")) {
    where.assign(plan.layers.size(), false);
    mark_layers(k, "moe_layers", where, true);
  } else {
    for (int i = 0; i < layers; ++i) where.push_back((i + 1) % every == 0);
  }
  for (int i = 0; i < layers; ++i) {
    const bool chunked = rotates.empty() ? (i + 1) % interval != 0 : rotates[std::size_t(i)] != 0;
    heads.window = chunked ? chunk : 0;
    heads.chunked = true;
    plan.layers[std::size_t(i)] = with_heads(heads);
  }
  place_ffn(plan, where, x, k.whole_or("intermediate_size_mlp", 16384));
  plan.names.dense = plan.names.experts = "feed_forward";
  plan.names.gate = "router";
  plan.names.shared = "shared_expert";
  return plan;
}

constexpr std::array kMixtureVariantFamilies = {ReleaseFamily{"ernie4_5_moe", read_ernie},
                                                ReleaseFamily{"hunyuan", read_hunyuan},
                                                ReleaseFamily{"hunyuan_v1_moe", read_hunyuan},
                                                ReleaseFamily{"dbrx", read_dbrx},
                                                ReleaseFamily{"arctic", read_arctic},
                                                ReleaseFamily{"grok-1", read_grok},
                                                ReleaseFamily{"grok", read_grok},
                                                ReleaseFamily{"git", read_grok},
                                                ReleaseFamily{"llama4", read_llama4}};
}  // namespace

std::span<const ReleaseFamily> mixture_variant_families() { return kMixtureVariantFamilies; }
}  // namespace moesim::spec
