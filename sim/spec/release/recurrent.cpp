// Families with layers that keep a state: Qwen3-Next and 3.5, Kimi Linear and K3, LFM2, MiniMax-01.  Sources:
// transformers' files for each model_type; the publishers' code for kimi_linear.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/ceil_div.h"
#include "spec/release/families.h"
#include "spec/release/pieces.h"

namespace moesim::spec {
namespace {
using Norm = HeadPlan::Norm;

DeltaPlan read_delta(const Keys& k, bool apart) {
  DeltaPlan p{.key_heads = k.size_or("linear_num_key_heads", 16),
              .value_heads = k.size_or("linear_num_value_heads", 32),
              .key_dim = k.size_or("linear_key_head_dim", 128),
              .value_dim = k.size_or("linear_value_head_dim", 128),
              .convolution = k.size_or("linear_conv_kernel_dim", 4),
              .apart = apart};
  check_groups(k, "linear_num_value_heads", p.value_heads, "linear_num_key_heads", p.key_heads);
  return p;
}

/// Gated DeltaNet, and full attention in every full_attention_interval-th layer.
Plan read_qwen_hybrid(const Keys& k, std::string_view type) {
  const bool next = type == "qwen3_next";
  Plan plan = start_plan(k);
  HeadPlan heads = read_heads(k, plan, {.head_dim = 256, .o_bias = true, .norm = Norm::head});
  if (k.flag_or("attn_output_gate", true)) heads.gate = HeadPlan::Gate::wide_query;
  const DeltaPlan delta = read_delta(k, !next);
  const int every = k.size_or("full_attention_interval", 4);
  const auto types = read_layer_types(k, plan, {"full_attention", "linear_attention"});
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const bool full = types.empty() ? (int(i) + 1) % every == 0 : types[i] == "full_attention";
    if (full)
      plan.layers[i].mixers = {heads};
    else
      plan.layers[i].mixers = {delta};
  }
  std::vector<bool> where(plan.layers.size(), false);
  ExpertPlan x;
  const int step = k.size_or("decoder_sparse_step", 1);
  if (type != "qwen3_5") {
    x = {.experts = k.size_or("num_experts", next ? 512 : 256),
         .top_k = k.size_or("num_experts_per_tok", next ? 10 : 8),
         .width = k.size_or("moe_intermediate_size", 512),
         .shared_width = k.whole_or("shared_expert_intermediate_size", 512)};
    x.shared_gate = x.shared_width > 0;
    check_experts(k, x, "num_experts_per_tok");
    for (std::size_t i = 0; i < where.size(); ++i) where[i] = (int(i) + 1) % step == 0;
  }
  mark_layers(k, "mlp_only_layers", where, false);
  place_ffn(plan, where, x, dense_width(k, where));
  const int modules = mtp_modules(k, k.named({"mtp_num_hidden_layers", "num_nextn_predict_layers"}));
  mtp_like_last(plan, modules);
  for (LayerPlan& module : plan.mtp) module.mixers = {heads};
  if (modules > 0) plan.mtp_joins = 1;
  for (const char* key : {"mtp_use_dedicated_embeddings", "mamba_ssm_dtype", "use_sliding_window", "sliding_window"})
    (void)k.has(key);
  plan.names.shared = "shared_expert";
  plan.names.mtp = "mtp.layers.";
  return plan;
}

/// Layer numbers from 1 on.
std::vector<bool> numbered_layers(const Keys& k, const char* key, std::size_t layers) {
  std::vector<bool> out(layers, false);
  for (const int number : k.list(key)) {
    if (number < 1 || number > int(layers))
      k.fail(key, fmt::format("must be layers of 1 to {}, got {}", layers, number));
    out[std::size_t(number - 1)] = true;
  }
  return out;
}

/// Kimi Delta Attention, and MLA without positions.
Plan read_kimi_linear(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  LatentPlan latent = read_latent(k);
  latent.output_gate = k.flag_or("mla_use_output_gate", false);
  (void)k.has("mla_use_nope");
  const Keys l = k.part("linear_attn_config");
  KimiDeltaPlan delta{.heads = l.size("num_heads"),
                      .dim = l.size("head_dim"),
                      .convolution = l.size("short_conv_kernel_size"),
                      .full_gate = l.flag_or("use_full_rank_gate", false)};
  const std::vector<bool> full = numbered_layers(l, "full_attn_layers", plan.layers.size());
  if (l.has("kda_layers")) {
    const std::vector<bool> other = numbered_layers(l, "kda_layers", plan.layers.size());
    for (std::size_t i = 0; i < full.size(); ++i)
      if (full[i] == other[i])
        l.fail("kda_layers", fmt::format("layer {} is in {} kda_layers and full_attn_layers", i + 1,
                                         full[i] ? "both" : "neither of"));
  }
  ExpertPlan x = read_deepseek_experts(k, true);
  x.latent = k.whole_or("routed_expert_hidden_size", 0);
  x.latent_norm = x.latent > 0 && k.flag_or("latent_moe_use_norm", false);
  // Attention over the results of blocks of layers: a query and a norm before each half of a layer.
  const int residual = k.whole_or("attn_res_block_size", 0) > 0 ? 4 : 0;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    LayerPlan& layer = plan.layers[i];
    if (full[i])
      layer.mixers = {latent};
    else
      layer.mixers = {delta};
    layer.extra_vectors = residual;
  }
  const std::vector<bool> where = deepseek_mixture_layers(k, plan);
  place_ffn(plan, where, x, dense_width(k, where));
  mtp_like_last(plan, mtp_modules(k));
  for (const char* key : {"activation_situ_beta", "activation_situ_linear_beta", "moe_renormalize",
                          "moe_router_activation_func", "num_expert_group", "use_grouped_topk", "head_dim"})
    (void)k.has(key);
  name_mixtral(plan);
  return plan;
}

/// Short convolutions, and full attention by layer_types.
Plan read_lfm2(const Keys& k, std::string_view type) {
  Plan plan = start_plan(k, {.tied = true});
  plan.tied = k.flag_or("tie_embedding", plan.tied);
  const HeadPlan heads = read_heads(k, plan, {.norm = Norm::head});
  const ShortConvolutionPlan convolution{.kernel = k.size_or("conv_L_cache", 3), .bias = k.flag_or("conv_bias", false)};
  const auto types = read_layer_types(k, plan, {"conv", "full_attention"});
  if (types.empty()) k.fail("missing key \"layer_types\"");
  for (std::size_t i = 0; i < plan.layers.size(); ++i)
    if (types[i] == "conv")
      plan.layers[i].mixers = {convolution};
    else
      plan.layers[i].mixers = {heads};
  std::int64_t width = k.size(k.named({"intermediate_size", "block_ff_dim"}));
  std::vector<bool> where(plan.layers.size(), false);
  ExpertPlan x;
  if (type == "lfm2_moe") {
    x = {.experts = k.size("num_experts"),
         .top_k = k.size("num_experts_per_tok"),
         .width = k.size("moe_intermediate_size")};
    x.selection_bias = k.flag_or("use_expert_bias", true);
    check_experts(k, x, "num_experts_per_tok");
    const int dense = k.whole_or("num_dense_layers", 2);
    for (std::size_t i = 0; i < where.size(); ++i) where[i] = int(i) >= dense;
  } else if (k.flag_or("block_auto_adjust_ff_dim", true)) {
    const int unit = k.size_or("block_multiple_of", 256);
    width = ceil_div(2 * width / 3, std::int64_t{unit}) * unit;
  }
  place_ffn(plan, where, x, int(width));
  plan.names.dense = plan.names.experts = "feed_forward";
  for (const char* key : {"block_dim", "block_ffn_dim_multiplier", "block_mlp_init_scale", "block_norm_eps",
                          "block_out_init_scale", "block_use_swiglu", "block_use_xavier_init", "conv_dim",
                          "conv_dim_out", "conv_use_xavier_init", "full_attn_idxs", "num_heads", "theta", "use_pos_enc",
                          "block_auto_adjust_ff_dim", "block_multiple_of", "block_ff_dim"})
    (void)k.has(key);
  return plan;
}

/// MiniMax-Text-01 and M1: linear attention with a fixed decay (0), and full attention (1).
Plan read_minimax_01(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const HeadPlan heads = read_heads(k, plan);
  const LightningPlan lightning{.heads = heads.heads,
                                .head_dim = heads.head_dim,
                                .gate_norm = width_of(k, "head_dim", heads.heads, heads.head_dim)};
  std::vector<bool> full;
  if (k.has("attn_type_list")) {
    for (const int kind : k.list("attn_type_list")) full.push_back(kind == 1);
    k.check_length("attn_type_list", full.size(), int(plan.layers.size()));
  } else {
    for (const std::string& kind : read_layer_types(k, plan, {"full_attention", "linear_attention"}))
      full.push_back(kind == "full_attention");
    if (full.empty()) k.fail("missing key \"attn_type_list\"");
  }
  ExpertPlan x{.experts = k.size("num_local_experts"),
               .top_k = k.size_or("num_experts_per_tok", 2),
               .width = k.size("intermediate_size"),
               .shared_width = k.whole_or("shared_intermediate_size", 0)};
  check_experts(k, x, "num_experts_per_tok");
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    if (full[i])
      plan.layers[i].mixers = {heads};
    else
      plan.layers[i].mixers = {lightning};
    plan.layers[i].experts = x;
  }
  for (const char* key :
       {"layernorm_full_attention_alpha", "layernorm_full_attention_beta", "layernorm_linear_attention_alpha",
        "layernorm_linear_attention_beta", "layernorm_mlp_alpha", "layernorm_mlp_beta", "postnorm", "shared_moe_mode",
        "full_attn_alpha_factor", "full_attn_beta_factor", "linear_attn_alpha_factor", "linear_attn_beta_factor",
        "mlp_alpha_factor", "mlp_beta_factor", "block_size", "sliding_window"})
    (void)k.has(key);
  name_mixtral(plan);
  return plan;
}

constexpr std::array kRecurrentFamilies = {ReleaseFamily{"qwen3_next", read_qwen_hybrid},
                                           ReleaseFamily{"qwen3_5", read_qwen_hybrid},
                                           ReleaseFamily{"qwen3_5_moe", read_qwen_hybrid},
                                           ReleaseFamily{"kimi_linear", read_kimi_linear},
                                           ReleaseFamily{"lfm2", read_lfm2},
                                           ReleaseFamily{"lfm2_moe", read_lfm2},
                                           ReleaseFamily{"minimax_text_01", read_minimax_01},
                                           ReleaseFamily{"minimax_m1", read_minimax_01},
                                           ReleaseFamily{"minimax", read_minimax_01}};
}  // namespace

std::span<const ReleaseFamily> recurrent_families() { return kRecurrentFamilies; }
}  // namespace moesim::spec
