// Families with MLA.  Sources: transformers' files for deepseek_v2, deepseek_v3, deepseek_v32, glm_moe_dsa,
// longcat_flash; the publishers' own code.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "spec/release/families.h"
#include "spec/release/pieces.h"

namespace moesim::spec {
namespace {
/// Which layers compute an index of their own: indexer_types, or every index_topk_freq-th.
std::vector<bool> index_owners(const Keys& k, const Plan& plan) {
  std::vector<bool> out(plan.layers.size(), true);
  const auto types = read_layer_types(k, plan, {"full", "shared"}, "indexer_types");
  const int every = k.size_or("index_topk_freq", 1), offset = k.whole_or("index_skip_topk_offset", 0);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int beyond = int(i) - offset + 1;
    // The first `offset` layers own theirs; then one of every `every` does, the first of which is the offset-th.
    const bool by_step = every == 1 || int(i) < offset || beyond % every == 0;
    out[i] = types.empty() ? by_step : types[i] == "full";
  }
  if (!out.empty() && !out.front()) k.fail("indexer_types", "the first layer must be \"full\", got \"shared\"");
  for (const char* key : {"index_share_for_mtp_iteration", "index_topk_pattern", "indexer_rope_interleave"})
    (void)k.has(key);
  return out;
}

/// use_mla false: DeepSeek-V2's layers with attention heads (DeepSeek-VL2 Tiny, DeepSeek-OCR).
Plan read_without_mla(const Keys& k, Plan plan, bool third) {
  const HeadPlan heads = read_heads(k, plan);
  for (LayerPlan& layer : plan.layers) layer.mixers = {heads};
  const ExpertPlan x = read_deepseek_experts(k, third);
  const std::vector<bool> where = deepseek_mixture_layers(k, plan);
  place_ffn(plan, where, x, dense_width(k, where));
  for (const char* key : {"kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
                          "qk_head_dim", "lm_head", "rm_head"})
    (void)k.has(key);
  mtp_like_last(plan, mtp_modules(k));
  plan.mtp_stores_embedding = true;
  return plan;
}

Plan read_latent_family(const Keys& k, std::string_view type) {
  const bool third = type != "deepseek_v2" && type != "deepseek_vl_v2";
  Plan plan = start_plan(k);
  if (!k.flag_or("use_mla", true)) return read_without_mla(k, std::move(plan), third);
  LatentPlan attention = read_latent(k);
  const bool sparse = type == "deepseek_v32" || type == "glm_moe_dsa";
  if (sparse) read_indexer(k, attention);
  std::vector<bool> owners(plan.layers.size(), true);
  if (sparse) owners = index_owners(k, plan);
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    LatentPlan own = attention;
    own.reuses_index = sparse && !owners[i];
    if (own.reuses_index) own.index_heads = 0;
    plan.layers[i].mixers = {own};
  }
  const ExpertPlan x = read_deepseek_experts(k, third);
  const std::vector<bool> where = deepseek_mixture_layers(k, plan);
  place_ffn(plan, where, x, dense_width(k, where));
  (void)k.has("moe_router_dtype");
  const int modules = mtp_modules(k);
  mtp_like_last(plan, modules);
  for (LayerPlan& module : plan.mtp) module.mixers = {attention};
  plan.mtp_stores_embedding = true;
  return plan;
}

/// LongCat-Flash: each layer has two MLAs, two dense networks and one mixture with outputs that compute nothing.
Plan read_longcat(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const LatentPlan attention = read_latent(k);
  ExpertPlan x{.experts = k.size("n_routed_experts"),
               .top_k = k.size("moe_topk"),
               .width = k.size("expert_ffn_hidden_size"),
               .idle = k.whole_or("zero_expert_num", 0),
               .selection_bias = true};
  check_experts(k, x, "moe_topk");
  const std::string idle = k.text_or("zero_expert_type", "identity");
  if (idle != "identity") k.fail("zero_expert_type", fmt::format("expected identity, got \"{}\"", idle));
  x.gate_bias = k.flag_or("router_bias", false);
  LayerPlan layer;
  layer.mixers = {attention, attention};
  layer.dense = {k.size("ffn_hidden_size"), k.size("ffn_hidden_size")};
  layer.experts = x;
  layer.norms = 4;
  plan.layers.assign(plan.layers.size(), layer);
  for (const char* key : {"mla_scale_q_lora", "mla_scale_kv_lora", "attention_method"}) (void)k.has(key);
  mtp_like_last(plan, mtp_modules(k));
  plan.names.gate = "router.classifier";
  return plan;
}

constexpr std::array kLatentFamilies = {
    ReleaseFamily{"deepseek_v2", read_latent_family},  ReleaseFamily{"deepseek_v3", read_latent_family},
    ReleaseFamily{"kimi_k2", read_latent_family},      ReleaseFamily{"glm4_moe_lite", read_latent_family},
    ReleaseFamily{"deepseek_v32", read_latent_family}, ReleaseFamily{"glm_moe_dsa", read_latent_family},
    ReleaseFamily{"longcat_flash", read_longcat}};
}  // namespace

std::span<const ReleaseFamily> latent_families() { return kLatentFamilies; }
}  // namespace moesim::spec
