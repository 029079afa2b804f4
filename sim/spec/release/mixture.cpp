// Decoders of attention heads and experts.  Sources: the configuration and modeling files of transformers for each
// model_type, and of the publishers' own repositories where transformers has none.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "spec/release/families.h"
#include "spec/release/pieces.h"

namespace moesim::spec {
namespace {
using Norm = HeadPlan::Norm;

/// Every layer is a mixture of num_local_experts as wide as intermediate_size.
Plan read_mixtral(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  ExpertPlan x = read_local_experts(k, 8, 2);
  HeadPlan heads = read_heads(k, plan);
  heads.window = k.whole_or("sliding_window", 0);
  LayerPlan layer = with_heads(heads);
  layer.experts = x;
  all_layers(plan, layer);
  name_mixtral(plan);
  return plan;
}

/// LayerNorms with biases; the head has one too.
Plan read_phimoe(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  ExpertPlan x = read_local_experts(k, 16, 2);
  HeadPlan heads = read_heads(k, plan, {.o_bias = true});
  heads.window = k.whole_or("sliding_window", 0);
  LayerPlan layer = with_heads(heads);
  layer.experts = x;
  layer.norm_values = plan.final_norm_values = 2;
  all_layers(plan, layer);
  plan.head_bias = k.flag_or("lm_head_bias", false);
  name_mixtral(plan);
  return plan;
}

Plan read_minimax_m2(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  HeadPlan heads = read_heads(k, plan);
  const std::string norm = k.text_or("qk_norm_type", "per_layer");
  if (norm != "per_layer" && norm != "per_head")
    k.fail("qk_norm_type", fmt::format("expected per_layer or per_head, got \"{}\"", norm));
  if (k.flag_or("use_qk_norm", true)) heads.norm = norm == "per_layer" ? Norm::whole : Norm::head;
  ExpertPlan x{.experts = k.size("num_local_experts"),
               .top_k = k.size("num_experts_per_tok"),
               .width = k.size("intermediate_size"),
               .shared_width = k.whole_or("shared_intermediate_size", 0),
               .selection_bias = k.flag_or("use_routing_bias", true)};
  check_experts(k, x, "num_experts_per_tok");
  if (k.has("attn_type_list")) {
    const std::vector<int> kinds = k.list("attn_type_list");
    k.check_length("attn_type_list", kinds.size(), int(plan.layers.size()));
    for (const int kind : kinds)
      if (kind != 1) k.fail("attn_type_list", fmt::format("minimax_m2 has full attention (1) only, got {}", kind));
  }
  (void)k.has("sliding_window");
  LayerPlan layer = with_heads(heads);
  layer.experts = x;
  all_layers(plan, layer);
  if (k.flag_or("use_mtp", false))
    mtp_like_last(plan, width_of(k, "mtp_transformer_layers", mtp_modules(k, "num_mtp_modules"),
                                 k.has("mtp_transformer_layers") ? mtp_modules(k, "mtp_transformer_layers") : 1));
  name_mixtral(plan);
  return plan;
}

/// Which layers have experts by decoder_sparse_step and mlp_only_layers.
std::vector<bool> qwen_mixture_layers(const Keys& k, const Plan& plan) {
  const int step = k.whole_or("decoder_sparse_step", 1), layers = int(plan.layers.size());
  if (step < 1) k.fail("decoder_sparse_step", fmt::format("must be 1 or more, got {}", step));
  std::vector<bool> out;
  for (int i = 0; i < layers; ++i) out.push_back((i + 1) % step == 0);
  mark_layers(k, "mlp_only_layers", out, false);
  return out;
}

Plan read_qwen_moe(const Keys& k, std::string_view type) {
  const bool second = type == "qwen2_moe";
  Plan plan = start_plan(k);
  HeadPlan heads = read_heads(k, plan, {.o_bias = !second, .norm = second ? Norm::none : Norm::head});
  if (second) heads.q_bias = heads.kv_bias = k.flag_or("qkv_bias", true);
  if (!second) (void)k.flag_or("use_qk_norm", true);
  ExpertPlan x{.experts = k.size_or("num_experts", second ? 60 : 128),
               .top_k = k.size_or("num_experts_per_tok", second ? 4 : 8),
               .width = k.size_or("moe_intermediate_size", second ? 1408 : 768),
               .shared_width = k.whole_or("shared_expert_intermediate_size", second ? 5632 : 0)};
  x.shared_gate = x.shared_width > 0;
  check_experts(k, x, "num_experts_per_tok");
  if (k.flag_or("use_sliding_window", false)) heads.window = k.whole_or("sliding_window", 0);
  (void)k.has("sliding_window");
  all_layers(plan, with_heads(heads));
  const int windowed_from = k.whole_or("max_window_layers", 28);  // Qwen2MoeConfig's and Qwen3MoeConfig's
  for (int i = 0; heads.window > 0 && i < std::min(windowed_from, int(plan.layers.size())); ++i)
    std::get<HeadPlan>(plan.layers[std::size_t(i)].mixers.front()).window = 0;
  const std::vector<bool> where = qwen_mixture_layers(k, plan);
  place_ffn(plan, where, x, dense_width(k, where));
  plan.names.shared = "shared_expert";
  return plan;
}

Plan read_olmoe(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  HeadPlan heads = read_heads(k, plan, {.o_bias = true, .norm = Norm::whole});
  ExpertPlan x{.experts = k.size_or("num_experts", 64),
               .top_k = k.size_or("num_experts_per_tok", 8),
               .width = k.size("intermediate_size")};
  check_experts(k, x, "num_experts_per_tok");
  LayerPlan layer = with_heads(heads);
  layer.experts = x;
  all_layers(plan, layer);
  return plan;
}

Plan read_granite_moe(const Keys& k, std::string_view type) {
  Plan plan = start_plan(k);
  HeadPlan heads = read_heads(k, plan, {.o_bias = true});
  ExpertPlan x = read_local_experts(k, 8, 2);
  if (type == "granitemoeshared") x.shared_width = k.whole_or("shared_intermediate_size", 1024);
  LayerPlan layer = with_heads(heads);
  layer.experts = x;
  all_layers(plan, layer);
  plan.names.experts = "block_sparse_moe";
  plan.names.gate = "router";
  return plan;
}

/// gpt-oss: biases everywhere, sinks, every second layer windowed.
Plan read_gpt_oss(const Keys& k, std::string_view) {
  Plan plan = start_plan(k, {.vocabulary = 201088});
  HeadPlan heads = read_heads(k, plan, {.head_dim = 64, .qkv_bias = true, .o_bias = true});
  heads.sinks = true;
  ExpertPlan x{.experts = k.size_or("num_local_experts", 128),
               .top_k = k.size_or(k.named({"num_experts_per_tok", "experts_per_token"}), 4),
               .width = k.size("intermediate_size"),
               .gate_bias = true,
               .expert_bias = true};
  check_experts(k, x, "num_experts_per_tok");
  if (k.has("experts_per_token") && k.whole("experts_per_token") != x.top_k)
    k.fail("experts_per_token",
           fmt::format("must equal num_experts_per_tok {}, got {}", x.top_k, k.whole("experts_per_token")));
  const int window = k.whole_or("sliding_window", 128);
  const auto types = read_layer_types(k, plan, {"full_attention", "sliding_attention"});
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    heads.window = (types.empty() ? i % 2 == 0 : types[i] == "sliding_attention") ? window : 0;
    plan.layers[i] = with_heads(heads);
    plan.layers[i].experts = x;
  }
  plan.names.gate = "router";
  return plan;
}

/// DeepSeek's keys for the mixture, attention of heads: GLM-4.5, dots, the first DeepSeekMoE, Hy3, Ling.
Plan read_head_deepseek(const Keys& k, std::string_view type) {
  const bool sigmoid = type != "deepseek";
  const bool bailing = type.starts_with("bailing");
  Plan plan = start_plan(k);
  HeadPlan heads = read_heads(k, plan);
  if (type == "dots1" || type == "hy_v3" || type == "bailing_moe_v2") heads.norm = Norm::head;
  for (const char* key : {"use_qk_norm", "qk_norm"})
    if (k.has(key)) heads.norm = k.flag_or(key, false) ? Norm::head : Norm::none;
  if (bailing) {
    heads.q_bias = heads.kv_bias = k.flag_or("use_qkv_bias", false);
    heads.o_bias = k.flag_or("use_bias", false);
  }
  const bool bias = k.flag_or("moe_router_enable_expert_bias", sigmoid && type != "bailing_moe");
  ExpertPlan x = read_deepseek_experts(k, bias);
  if (k.has("moe_shared_expert_intermediate_size"))
    x.shared_width = k.whole("moe_shared_expert_intermediate_size") *
                     (k.whole_or(k.named({"num_shared_experts", "n_shared_experts"}), 0) > 0 ? 1 : 0);
  all_layers(plan, with_heads(heads));
  const std::vector<bool> where = deepseek_mixture_layers(k, plan);
  place_ffn(plan, where, x, dense_width(k, where));
  mtp_like_last(plan, mtp_modules(k));
  plan.mtp_stores_embedding = type == "glm4_moe";
  return plan;
}

constexpr std::array kMixtureFamilies = {ReleaseFamily{"mixtral", read_mixtral},
                                         ReleaseFamily{"phimoe", read_phimoe},
                                         ReleaseFamily{"minimax_m2", read_minimax_m2},
                                         ReleaseFamily{"qwen2_moe", read_qwen_moe},
                                         ReleaseFamily{"qwen3_moe", read_qwen_moe},
                                         ReleaseFamily{"qwen3_vl_moe", read_qwen_moe},
                                         ReleaseFamily{"olmoe", read_olmoe},
                                         ReleaseFamily{"granitemoe", read_granite_moe},
                                         ReleaseFamily{"granitemoeshared", read_granite_moe},
                                         ReleaseFamily{"gpt_oss", read_gpt_oss},
                                         ReleaseFamily{"deepseek", read_head_deepseek},
                                         ReleaseFamily{"glm4_moe", read_head_deepseek},
                                         ReleaseFamily{"glm4v_moe", read_head_deepseek},
                                         ReleaseFamily{"dots1", read_head_deepseek},
                                         ReleaseFamily{"hy_v3", read_head_deepseek},
                                         ReleaseFamily{"bailing_moe", read_head_deepseek},
                                         ReleaseFamily{"bailing_moe_v2", read_head_deepseek}};
}  // namespace

std::span<const ReleaseFamily> mixture_families() { return kMixtureFamilies; }
}  // namespace moesim::spec
