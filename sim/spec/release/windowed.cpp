// Families whose layers have different heads: Gemma-4, MiMo-V2, Step-3, 3.5 and 3.7, MiniMax-M3.  Sources:
// transformers' files for gemma4; the released config.json files and their makers' code for the others.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "spec/release/families.h"
#include "spec/release/pieces.h"

namespace moesim::spec {
namespace {
using Norm = HeadPlan::Norm;

/// Windowed and full layers have heads of their own widths; full layers may cache keys as values.
Plan read_gemma4(const Keys& k, std::string_view) {
  Plan plan = start_plan(k, {.vocabulary = 262144, .tied = true});
  const int layers = int(plan.layers.size());
  HeadPlan windowed = read_heads(k, plan, {.head_dim = 256, .o_bias = true, .norm = Norm::head});
  windowed.norm_uncounted = true;
  HeadPlan full = windowed;
  full.head_dim = full.v_head_dim = k.size_or("global_head_dim", 512);
  full.keys_are_values = k.flag_or("attention_k_eq_v", false);
  full.kv_heads = full.keys_are_values ? k.size_or("num_global_key_value_heads", windowed.kv_heads) : windowed.kv_heads;
  check_groups(k, "num_attention_heads", full.heads, "num_global_key_value_heads", full.kv_heads);
  windowed.window = k.size_or("sliding_window", 512);
  const auto types = read_layer_types(k, plan, {"full_attention", "sliding_attention"});
  const int borrowed = k.whole_or("num_kv_shared_layers", 0);
  if (borrowed > layers)
    k.fail("num_kv_shared_layers", fmt::format("must be at most num_hidden_layers {}, got {}", layers, borrowed));
  ExpertPlan x;
  const bool mixture = k.flag_or("enable_moe_block", false);
  if (mixture) {
    x = {.experts = k.size("num_experts"), .top_k = k.size("top_k_experts"), .width = k.size("moe_intermediate_size")};
    x.gate_scales = true;
    check_experts(k, x, "top_k_experts");
  }
  const int width = k.size("intermediate_size"), side = k.whole_or("hidden_size_per_layer_input", 0);
  const bool wide = k.flag_or("use_double_wide_mlp", false);
  for (int i = 0; i < layers; ++i) {
    const bool is_full =
        types.empty() ? (i + 1) % 6 == 0 || i + 1 == layers : types[std::size_t(i)] == "full_attention";
    HeadPlan heads = is_full ? full : windowed;
    heads.borrows_keys = borrowed > 0 && i >= layers - borrowed;
    LayerPlan& layer = plan.layers[std::size_t(i)];
    layer.mixers = {heads};
    layer.dense = {wide && heads.borrows_keys ? width_of(k, "intermediate_size", 2, width) : width};
    if (mixture) layer.experts = x;
    layer.norms = mixture ? 7 : 4;
    layer.scalars = 1;
    layer.side_width = side;
  }
  plan.side_width = side;
  plan.side_vocabulary = k.size_or("vocab_size_per_layer_input", plan.vocabulary);
  (void)k.has("use_bidirectional_attention");
  plan.names.experts = "";
  plan.names.gate = "router";
  return plan;
}

/// hybrid_layer_pattern: 1 for a windowed layer, whose heads have widths of their own.
Plan read_mimo_v2(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const int layers = int(plan.layers.size());
  HeadPlan full = read_heads(k, plan);
  full.v_head_dim = k.size_or("v_head_dim", full.head_dim);
  full.sinks = k.flag_or("add_full_attention_sink_bias", false);
  HeadPlan windowed = full;
  windowed.heads = k.size_or("swa_num_attention_heads", full.heads);
  windowed.kv_heads = k.size_or("swa_num_key_value_heads", full.kv_heads);
  check_groups(k, "swa_num_attention_heads", windowed.heads, "swa_num_key_value_heads", windowed.kv_heads);
  windowed.head_dim = k.size_or("swa_head_dim", full.head_dim);
  windowed.v_head_dim = k.size_or("swa_v_head_dim", full.v_head_dim);
  windowed.sinks = k.flag_or("add_swa_attention_sink_bias", false);
  windowed.window = k.size(k.named({"sliding_window", "sliding_window_size"}));
  if (k.has("sliding_window_size") && k.whole("sliding_window_size") != windowed.window)
    k.fail("sliding_window_size",
           fmt::format("must equal sliding_window {}, got {}", windowed.window, k.whole("sliding_window_size")));
  const std::vector<int> pattern = k.list("hybrid_layer_pattern");
  k.check_length("hybrid_layer_pattern", pattern.size(), layers);
  for (int i = 0; i < layers; ++i) {
    const int kind = pattern[std::size_t(i)];
    if (kind != 0 && kind != 1) k.fail("hybrid_layer_pattern", fmt::format("expected 0 or 1, got {}", kind));
    plan.layers[std::size_t(i)].mixers = {kind == 1 ? windowed : full};
  }
  const ExpertPlan x = read_deepseek_experts(k, true);
  const std::vector<bool> where = deepseek_mixture_layers(k, plan);
  place_ffn(plan, where, x, dense_width(k, where));
  for (const char* key : {"attention_chunk_size", "attention_value_scale", "swa_rope_theta"}) (void)k.has(key);
  mtp_like_last(plan, mtp_modules(k));
  return plan;
}

/// "4,5,6": layers in text.
std::vector<bool> listed_layers(const Keys& k, const char* key, int layers) {
  std::vector<bool> out(std::size_t(layers), false);
  const std::string text = k.text_or(key, "");
  const char *at = text.data(), *const end = at + text.size();
  while (at < end) {
    int layer = -1;
    const auto [next, error] = std::from_chars(at, end, layer);
    if (error != std::errc{} || layer < 0 || (next < end && *next != ','))
      k.fail(key, fmt::format("expected layers with commas between, got \"{}\"", text.substr(0, 60)));
    // Numbers beyond the layers name MTP modules.
    if (layer < layers) out[std::size_t(layer)] = true;
    at = next < end ? next + 1 : end;
  }
  return out;
}

/// Step-3.5 and 3.7: windowed layers have more query heads, and every head a gate.
Plan read_step(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const int layers = int(plan.layers.size());
  HeadPlan full = read_heads(k, plan, {.norm = Norm::head});
  if (k.flag_or("use_head_wise_attn_gate", true)) full.gate = HeadPlan::Gate::per_head;
  HeadPlan windowed = full;
  if (k.has("attention_other_setting")) {
    const Keys other = k.part("attention_other_setting");
    windowed.heads = other.size("num_attention_heads");
    windowed.kv_heads = other.size_or("num_attention_groups", full.kv_heads);
    windowed.head_dim = windowed.v_head_dim = other.size_or("head_dim", full.head_dim);
    check_groups(other, "num_attention_heads", windowed.heads, "num_attention_groups", windowed.kv_heads);
  } else {
    windowed.heads = full.heads + full.heads / 2;
    plan.notes.push_back(fmt::format("assumed: windowed layers have {} heads, as in Step-3.5", windowed.heads));
  }
  windowed.window = k.size("sliding_window");
  const auto types = read_layer_types(k, plan, {"full_attention", "sliding_attention"});
  if (types.empty()) k.fail("missing key \"layer_types\"");
  for (int i = 0; i < layers; ++i)
    plan.layers[std::size_t(i)].mixers = {types[std::size_t(i)] == "full_attention" ? full : windowed};
  ExpertPlan x;
  x.experts = k.size(k.named({"moe_num_experts", "num_experts"}));
  const char* const top = k.named({"moe_top_k", "num_experts_per_tok"});
  x.top_k = k.size(top);
  x.width = k.size("moe_intermediate_size");
  x.shared_width = k.whole_or(k.named({"share_expert_dim", "share_expert_dims"}), 0);
  (void)k.has("n_shared_experts");
  x.selection_bias = k.flag_or("use_moe_router_bias", true);
  check_experts(k, x, top);
  const std::vector<bool> where =
      k.has("moe_layers_enum") ? listed_layers(k, "moe_layers_enum", layers) : deepseek_mixture_layers(k, plan);
  place_ffn(plan, where, x, dense_width(k, where));
  mtp_like_last(plan, mtp_modules(k));
  (void)k.has("moe_router_scaling_factor");
  plan.names.experts = "moe";
  plan.names.shared = "share_expert";
  return plan;
}

/// Step-3: many query heads through a latent, one key and value head; the listed layers have experts.
Plan read_step3(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const int layers = int(plan.layers.size());
  HeadPlan heads = read_heads(k, plan);
  heads.q_rank = k.size("share_q_dim");
  all_layers(plan, with_heads(heads));
  ExpertPlan x{.experts = k.size("moe_num_experts"), .top_k = k.size("moe_top_k")};
  check_experts(k, x, "moe_top_k");
  x.width = k.size("moe_intermediate_size");
  x.shared_width = k.whole_or("share_expert_dim", 0);
  const std::vector<bool> where = listed_layers(k, "moe_layers_enum", layers);
  place_ffn(plan, where, x, dense_width(k, where));
  (void)k.has("norm_expert_weight");
  (void)k.has("max_position_embedding");
  plan.names.experts = "moe";
  plan.names.shared = "share_expert";
  return plan;
}

/// Block-sparse attention: an indexer picks blocks of keys in the layers that sparse_attention_freq marks.
Plan read_minimax_m3(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const int layers = int(plan.layers.size());
  HeadPlan heads = read_heads(k, plan, {.norm = Norm::head});
  const std::string norm = k.text_or("qk_norm_type", "per_head");
  if (norm != "per_head" && norm != "per_layer")
    k.fail("qk_norm_type", fmt::format("expected per_head or per_layer, got \"{}\"", norm));
  heads.norm = !k.flag_or("use_qk_norm", true) ? Norm::none : norm == "per_head" ? Norm::head : Norm::whole;
  if (k.flag_or("attention_output_gate", false)) heads.gate = HeadPlan::Gate::wide_query;
  std::vector<int> sparse(std::size_t(layers), 0);
  HeadPlan indexed = heads;
  if (k.has("sparse_attention_config")) {
    const Keys s = k.part("sparse_attention_config");
    if (s.flag_or("use_sparse_attention", true)) {
      sparse = s.list("sparse_attention_freq");
      s.check_length("sparse_attention_freq", sparse.size(), layers);
      indexed.index_heads = s.size("sparse_num_index_heads");
      indexed.index_dim = s.size("sparse_index_dim");
      indexed.index_block = s.size_or("sparse_block_size", 128);
      indexed.index_blocks = s.size_or("sparse_topk_blocks", 16);
    }
  }
  for (int i = 0; i < layers; ++i) plan.layers[std::size_t(i)].mixers = {sparse[std::size_t(i)] != 0 ? indexed : heads};
  if (std::ranges::any_of(sparse, [](int one) { return one != 0; }))
    plan.notes.push_back("assumed: an indexer has one map for its queries, one for its one key, and a norm for each");
  ExpertPlan x;
  x.experts = k.size("num_local_experts");
  x.top_k = k.size("num_experts_per_tok");
  x.width = k.size(k.named({"moe_intermediate_size", "intermediate_size"}));
  if (k.has("intermediate_size") && k.whole("intermediate_size") != x.width)
    k.fail("intermediate_size",
           fmt::format("must equal moe_intermediate_size {}, got {}", x.width, k.whole("intermediate_size")));
  x.shared_width = width_of(k, "shared_intermediate_size", k.whole_or("n_shared_experts", 0),
                            k.whole_or("shared_intermediate_size", x.width));
  x.selection_bias = k.flag_or("use_routing_bias", true);
  check_experts(k, x, "num_experts_per_tok");
  const std::vector<bool> where = deepseek_mixture_layers(k, plan);
  place_ffn(plan, where, x, dense_width(k, where, "dense_intermediate_size"));
  const int modules = mtp_modules(k, k.named({"num_mtp_modules", "num_nextn_predict_layers"}));
  (void)k.has("num_nextn_predict_layers");
  mtp_like_last(plan, modules);
  for (const char* key : {"swiglu_alpha", "use_gemma_norm"}) (void)k.has(key);
  name_mixtral(plan);
  return plan;
}

constexpr std::array kWindowedFamilies = {
    ReleaseFamily{"gemma4", read_gemma4},         ReleaseFamily{"mimo_v2_flash", read_mimo_v2},
    ReleaseFamily{"mimo_v2", read_mimo_v2},       ReleaseFamily{"step3p5", read_step},
    ReleaseFamily{"step3p5_flash", read_step},    ReleaseFamily{"step3p7", read_step},
    ReleaseFamily{"minimax_m3", read_minimax_m3}, ReleaseFamily{"step3", read_step3}};
}  // namespace

std::span<const ReleaseFamily> windowed_families() { return kWindowedFamilies; }
}  // namespace moesim::spec
