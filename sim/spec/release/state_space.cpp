// Families with state-space layers: Nemotron-H, Jamba, Granite hybrids.  Sources: transformers' files for each
// model_type.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/ceil_div.h"
#include "spec/release/families.h"
#include "spec/release/pieces.h"

namespace moesim::spec {
namespace {
MambaPlan read_mamba2(const Keys& k, int hidden) {
  MambaPlan p;
  p.heads = k.size_or(k.named({"mamba_num_heads", "mamba_n_heads"}), 128);
  const int expand = k.size_or(k.named({"expand", "mamba_expand"}), 2);
  const char* const dim = k.named({"mamba_head_dim", "mamba_d_head"});
  p.head_dim = k.is_number(dim) ? k.size(dim) : width_of(k, "expand", expand, hidden) / p.heads;
  p.groups = k.size_or(k.named({"n_groups", "mamba_n_groups"}), 1);
  p.state = k.size_or(k.named({"ssm_state_size", "mamba_d_state"}), 128);
  p.convolution = k.size_or(k.named({"conv_kernel", "mamba_d_conv"}), 4);
  p.convolution_bias = k.flag_or(k.named({"use_conv_bias", "mamba_conv_bias"}), true);
  p.bias = k.flag_or("mamba_proj_bias", false) || k.flag_or("use_bias", false);
  check_groups(k, "heads of Mamba", p.heads, "n_groups", p.groups);
  return p;
}

/// The layers of Nemotron-H, a letter each: M Mamba-2, * attention, - a dense network, E a mixture.
std::string nemotron_pattern(const Keys& k, const char* pattern_key, const char* list_key) {
  std::string out = k.text_or(pattern_key, "");
  if (k.has(list_key)) {
    std::string listed;
    for (const std::string& word : k.words(list_key)) {
      const char letter = word == "mamba" ? 'M' : word == "attention" ? '*' : word == "mlp" ? '-' : 'E';
      if (letter == 'E' && word != "moe")
        k.fail(list_key, fmt::format("\"{}\" is not known; there are: mamba, attention, mlp, moe", word));
      listed += letter;
    }
    if (!out.empty() && out != listed)
      k.fail(list_key, fmt::format("says {}, and {} says {}", listed, pattern_key, out));
    out = listed;
  }
  for (const char letter : out)
    if (std::string_view("M*-E").find(letter) == std::string_view::npos)
      k.fail(pattern_key, fmt::format("expected M, *, - and E, got \"{}\"", letter));
  return out;
}

struct NemotronPieces {
  HeadPlan heads;
  MambaPlan mamba;
  ExpertPlan experts;
  int width = 0;
  bool bias = false;
  LayerPlan layer(char letter) const {
    LayerPlan out;
    out.norms = 1;
    out.dense_matrices = 2;
    out.dense_bias = bias;
    if (letter == 'M') out.mixers = {mamba};
    if (letter == '*') out.mixers = {heads};
    if (letter == '-') out.dense = {width};
    if (letter == 'E') out.experts = experts;
    return out;
  }
};

Plan read_nemotron_h(const Keys& k, std::string_view) {
  const std::string pattern = nemotron_pattern(k, "hybrid_override_pattern", "layers_block_type");
  if (pattern.empty()) k.fail("missing key \"hybrid_override_pattern\"");
  Plan plan;
  plan.hidden = k.size("hidden_size");
  plan.vocabulary = k.size("vocab_size");
  plan.tied = k.flag_or("tie_word_embeddings", false);
  plan.max_positions = k.whole_or("max_position_embeddings", 0);
  if (int(pattern.size()) > kMostLayers) k.fail("hybrid_override_pattern", "has too many layers");
  if (k.has("num_hidden_layers") && k.whole("num_hidden_layers") != int(pattern.size()))
    k.fail("num_hidden_layers",
           fmt::format("hybrid_override_pattern has {} layers, got {}", pattern.size(), k.whole("num_hidden_layers")));
  NemotronPieces pieces;
  pieces.heads = read_heads(k, plan, {.head_dim = 128, .o_bias = true});
  pieces.mamba = read_mamba2(k, plan.hidden);
  pieces.width = k.whole_or("intermediate_size", 0);
  pieces.bias = k.flag_or("mlp_bias", false);
  const std::string module = nemotron_pattern(k, "mtp_hybrid_override_pattern", "mtp_layers_block_type");
  if (pattern.find('E') != std::string::npos || module.find('E') != std::string::npos) {
    ExpertPlan x = read_deepseek_experts(k, true);
    x.matrices = 2;
    x.latent = k.whole_or("moe_latent_size", 0);
    x.shared_width = width_of(k, "moe_shared_expert_intermediate_size", k.whole_or("n_shared_experts", 0),
                              k.whole_or("moe_shared_expert_intermediate_size", x.width));
    pieces.experts = x;
  }
  for (const char letter : pattern) plan.layers.push_back(pieces.layer(letter));
  const int modules = mtp_modules(k);
  for (int i = 0; i < modules; ++i)
    for (const char letter : module) plan.mtp.push_back(pieces.layer(letter));
  if (!module.empty()) plan.mtp_joins = modules;
  for (const char* key :
       {"mamba_hidden_act", "mamba_ssm_cache_dtype", "mlp_hidden_act", "moe_shared_expert_overlap",
        "num_logits_to_keep", "rescale_prenorm_residual", "residual_in_fp32", "sliding_window", "time_step_floor",
        "time_step_max", "time_step_min", "time_step_limit", "time_step_rank", "use_mamba_kernels", "mamba_dt_rank"})
    (void)k.has(key);
  plan.names.attention = plan.names.state = plan.names.dense = plan.names.experts = "mixer";
  plan.names.mtp = "mtp.layers.";
  return plan;
}

/// Mamba-1, attention in one layer of a period, a mixture in one of another.
Plan read_jamba(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const HeadPlan heads = read_heads(k, plan);
  MambaPlan mamba;
  mamba.second = false;
  mamba.inner = width_of(k, "mamba_expand", k.size_or("mamba_expand", 2), plan.hidden);
  mamba.state = k.size_or("mamba_d_state", 16);
  mamba.convolution = k.size_or("mamba_d_conv", 4);
  mamba.step_rank = k.is_number("mamba_dt_rank") ? k.size("mamba_dt_rank") : ceil_div(plan.hidden, 16);
  mamba.convolution_bias = k.flag_or("mamba_conv_bias", true);
  mamba.bias = k.flag_or("mamba_proj_bias", false);
  mamba.inner_norms = true;
  ExpertPlan x{.experts = k.size_or("num_experts", 16),
               .top_k = k.size_or("num_experts_per_tok", 2),
               .width = k.size("intermediate_size")};
  check_experts(k, x, "num_experts_per_tok");
  const int period = k.size_or("attn_layer_period", 8), offset = k.whole_or("attn_layer_offset", 4),
            mixture = k.size_or("expert_layer_period", 2), first = k.whole_or("expert_layer_offset", 1);
  if (offset >= period)
    k.fail("attn_layer_offset", fmt::format("must be below attn_layer_period {}, got {}", period, offset));
  if (first >= mixture)
    k.fail("expert_layer_offset", fmt::format("must be below expert_layer_period {}, got {}", mixture, first));
  for (int i = 0; i < int(plan.layers.size()); ++i) {
    LayerPlan& layer = plan.layers[std::size_t(i)];
    if (i % period == offset)
      layer.mixers = {heads};
    else
      layer.mixers = {mamba};
    if (x.experts > 1 && i % mixture == first)
      layer.experts = x;
    else
      layer.dense = {x.width};
  }
  for (const char* key : {"use_mamba_kernels", "num_logits_to_keep", "sliding_window"}) (void)k.has(key);
  plan.names.state = "mamba";
  plan.names.dense = plan.names.experts = "feed_forward";
  plan.names.gate = "router";
  return plan;
}

/// Mamba-2 and attention by layer_types; a dense network in every layer, beside experts if there are any.
Plan read_granite_hybrid(const Keys& k, std::string_view) {
  Plan plan = start_plan(k);
  const HeadPlan heads = read_heads(k, plan, {.o_bias = true});
  const MambaPlan mamba = read_mamba2(k, plan.hidden);
  const auto types = read_layer_types(k, plan, {"mamba", "attention"});
  ExpertPlan x{.experts = k.whole_or("num_local_experts", 8),
               .top_k = k.whole_or("num_experts_per_tok", 2),
               .width = k.whole_or("intermediate_size", 0)};
  x.shared_width = k.whole_or("shared_intermediate_size", 1024);
  if (x.experts > 0) check_experts(k, x, "num_experts_per_tok");
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    LayerPlan& layer = plan.layers[i];
    if (types.empty() || types[i] == "mamba")
      layer.mixers = {mamba};
    else
      layer.mixers = {heads};
    if (x.experts > 0)
      layer.experts = x;
    else
      layer.dense = {x.shared_width};
  }
  for (const char* key : {"mamba_chunk_size", "position_embedding_type", "normalization_function"}) (void)k.has(key);
  plan.names.state = "mamba";
  plan.names.experts = "block_sparse_moe";
  plan.names.dense = "shared_mlp";
  plan.names.gate = "router";
  return plan;
}

constexpr std::array kStateSpaceFamilies = {ReleaseFamily{"nemotron_h", read_nemotron_h},
                                            ReleaseFamily{"jamba", read_jamba},
                                            ReleaseFamily{"granitemoehybrid", read_granite_hybrid}};
}  // namespace

std::span<const ReleaseFamily> state_space_families() { return kStateSpaceFamilies; }
}  // namespace moesim::spec
