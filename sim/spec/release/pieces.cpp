#include "spec/release/pieces.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::spec {
namespace {
constexpr int kMostModules = 1000;
}  // namespace

int width_of(const Keys& k, const char* key, std::int64_t one, std::int64_t other) {
  if (one != 0 && other > kMostWidth / one)
    k.fail(key, fmt::format("{} times {} is more than {}", one, other, kMostWidth));
  return int(one * other);
}

ExpertPlan read_local_experts(const Keys& k, int experts, int top_k) {
  ExpertPlan x{.experts = k.size_or("num_local_experts", experts),
               .top_k = k.size_or("num_experts_per_tok", top_k),
               .width = k.size("intermediate_size")};
  check_experts(k, x, "num_experts_per_tok");
  return x;
}

void mark_layers(const Keys& k, const char* key, std::vector<bool>& layers, bool value) {
  if (!k.has(key)) return;
  for (const int i : k.list(key)) {
    if (i < 0 || i >= int(layers.size()))
      k.fail(key, fmt::format("must be layers of the {}, got {}", layers.size(), i));
    layers[std::size_t(i)] = value;
  }
}

void all_layers(Plan& plan, const LayerPlan& layer) { plan.layers.assign(plan.layers.size(), layer); }

LayerPlan with_heads(const HeadPlan& heads, int norms) {
  LayerPlan layer;
  layer.mixers = {heads};
  layer.norms = norms;
  return layer;
}

void name_mixtral(Plan& plan) {
  plan.names.experts = "block_sparse_moe";
  plan.names.gate_matrix = "w1";
  plan.names.up_matrix = "w3";
  plan.names.down_matrix = "w2";
}

int mtp_modules(const Keys& k, const char* key) {
  const int out = k.whole_or(key, 0);
  if (out > kMostModules) k.fail(key, fmt::format("expected at most {}, got {}", kMostModules, out));
  return out;
}

Plan start_plan(const Keys& k, const PlanDefaults& defaults) {
  Plan plan;
  plan.hidden = k.size("hidden_size");
  plan.vocabulary = defaults.vocabulary > 0 ? k.size_or("vocab_size", defaults.vocabulary) : k.size("vocab_size");
  const int layers = k.size(k.named({"num_hidden_layers", "num_layers"}));
  if (layers > kMostLayers)
    k.fail("num_hidden_layers", fmt::format("expected at most {}, got {}", kMostLayers, layers));
  plan.layers.resize(std::size_t(layers));
  plan.tied = k.flag_or("tie_word_embeddings", defaults.tied);
  plan.max_positions = k.whole_or("max_position_embeddings", 0);
  return plan;
}

void check_groups(const Keys& k, const char* heads_key, int heads, const char* groups_key, int groups) {
  if (groups > 0 && heads % groups == 0) return;
  k.fail(groups_key, fmt::format("must divide {} {}, got {}", heads_key, heads, groups));
}

HeadPlan read_heads(const Keys& k, const Plan& plan, const HeadDefaults& defaults) {
  HeadPlan p;
  p.heads = defaults.heads > 0 ? k.size_or("num_attention_heads", defaults.heads) : k.size("num_attention_heads");
  p.kv_heads = k.size_or(k.named({"num_key_value_heads", "num_attention_groups"}),
                         defaults.kv_heads > 0 ? defaults.kv_heads : p.heads);
  check_groups(k, "num_attention_heads", p.heads, "num_key_value_heads", p.kv_heads);
  const char* const dim = k.named({"head_dim", "attention_head_dim"});
  if (!k.has(dim) && defaults.head_dim == 0 && plan.hidden % p.heads != 0)
    k.fail("num_attention_heads",
           fmt::format("must divide hidden_size {} when head_dim is missing, got {}", plan.hidden, p.heads));
  p.head_dim = p.v_head_dim = k.size_or(dim, defaults.head_dim > 0 ? defaults.head_dim : plan.hidden / p.heads);
  p.q_bias = p.kv_bias = k.flag_or("attention_bias", defaults.qkv_bias);
  p.o_bias = defaults.o_bias && p.q_bias;
  p.norm = defaults.norm;
  return p;
}

LatentPlan read_latent(const Keys& k) {
  LatentPlan p;
  p.heads = k.size("num_attention_heads");
  p.q_rank = k.whole_or("q_lora_rank", 0);
  p.kv_rank = k.size("kv_lora_rank");
  p.nope = k.size("qk_nope_head_dim");
  p.rope = k.whole("qk_rope_head_dim");
  p.v_dim = k.size("v_head_dim");
  p.bias = k.flag_or("attention_bias", false);
  const int kv_heads = k.whole_or("num_key_value_heads", p.heads);
  if (kv_heads != p.heads)
    k.fail("num_key_value_heads", fmt::format("must equal num_attention_heads {} for MLA, got {}", p.heads, kv_heads));
  if (k.has("qk_head_dim") && k.whole("qk_head_dim") != p.nope + p.rope)
    k.fail("qk_head_dim", fmt::format("must be qk_nope_head_dim + qk_rope_head_dim = {}, got {}", p.nope + p.rope,
                                      k.whole("qk_head_dim")));
  (void)k.has("head_dim");  // of the rotated part in some releases, of the whole in others: nothing follows from it
  return p;
}

void read_indexer(const Keys& k, LatentPlan& p) {
  p.index_heads = k.size("index_n_heads");
  p.index_dim = k.size("index_head_dim");
  (void)k.size("index_topk");
}

void check_experts(const Keys& k, const ExpertPlan& x, const char* top_key) {
  if (x.experts > kMostExperts || x.idle > kMostExperts)
    k.fail(fmt::format("expected at most {} experts, got {} and {} that compute nothing", kMostExperts, x.experts,
                       x.idle));
  if (x.top_k < 1 || x.top_k > x.experts + x.idle)
    k.fail(top_key, fmt::format("must be 1 to the {} experts, got {}", x.experts + x.idle, x.top_k));
}

ExpertPlan read_deepseek_experts(const Keys& k, bool selection_bias) {
  ExpertPlan x;
  x.experts = k.size(k.named({"n_routed_experts", "num_experts", "num_local_experts"}));
  const char* const top = k.named({"num_experts_per_tok", "num_experts_per_token", "moe_topk"});
  x.top_k = k.size(top);
  check_experts(k, x, top);
  x.width = k.size("moe_intermediate_size");
  const char* const shared = k.named({"n_shared_experts", "num_shared_experts"});
  x.shared_width = width_of(k, shared, k.whole_or(shared, 0), x.width);
  x.selection_bias = k.text_or("topk_method", selection_bias ? "noaux_tc" : "greedy") == "noaux_tc";
  return x;
}

std::vector<bool> deepseek_mixture_layers(const Keys& k, const Plan& plan) {
  const int layers = int(plan.layers.size());
  std::vector<bool> out(plan.layers.size(), true);
  const auto both = [&](const char* key, const std::vector<bool>& other) {
    for (std::size_t i = 0; i < out.size(); ++i)
      if (out[i] != other[i])
        k.fail(key, fmt::format("layer {} is {}, and first_k_dense_replace or moe_layer_freq says {}", i,
                                other[i] ? "sparse" : "dense", out[i] ? "sparse" : "dense"));
  };
  const int first = k.whole_or("first_k_dense_replace", 0);
  if (first > layers)
    k.fail("first_k_dense_replace", fmt::format("must be at most num_hidden_layers {}, got {}", layers, first));
  const int every = k.is_list("moe_layer_freq") ? 1 : k.whole_or("moe_layer_freq", 1);
  if (every < 1) k.fail("moe_layer_freq", fmt::format("must be 1 or more, got {}", every));
  for (int i = 0; i < layers; ++i) out[std::size_t(i)] = i >= first && i % every == 0;
  if (k.is_list("moe_layer_freq")) {
    const std::vector<int> list = k.list("moe_layer_freq");
    k.check_length("moe_layer_freq", list.size(), layers);
    std::vector<bool> other;
    for (const int one : list) other.push_back(one != 0);
    if (k.has("first_k_dense_replace")) both("moe_layer_freq", other);
    out = other;
  }
  if (const auto types = read_layer_types(k, plan, {"dense", "sparse"}, "mlp_layer_types"); !types.empty()) {
    std::vector<bool> other;
    for (const std::string& one : types) other.push_back(one == "sparse");
    both("mlp_layer_types", other);
  }
  return out;
}

std::vector<std::string> read_layer_types(const Keys& k, const Plan& plan, std::vector<std::string_view> known,
                                          const char* key) {
  if (!k.has(key)) return {};
  std::vector<std::string> out = k.words(key);
  k.check_length(key, out.size(), int(plan.layers.size()), k.whole_or("num_nextn_predict_layers", 0));
  out.resize(plan.layers.size());  // those of MTP modules follow in some releases
  for (const std::string& one : out)
    if (std::ranges::find(known, one) == known.end())
      k.fail(key, fmt::format("\"{}\" is not known; there are: {}", one, fmt::join(known, ", ")));
  return out;
}

int dense_width(const Keys& k, const std::vector<bool>& where, const char* key) {
  return std::ranges::find(where, false) == where.end() ? k.whole_or(key, 0) : k.size(key);
}

void place_ffn(Plan& plan, const std::vector<bool>& where, const ExpertPlan& experts, int dense) {
  for (std::size_t i = 0; i < plan.layers.size(); ++i)
    if (where[i])
      plan.layers[i].experts = experts;
    else
      plan.layers[i].dense = {dense};
}

void mtp_like_last(Plan& plan, int modules) {
  for (int i = 0; i < modules && !plan.layers.empty(); ++i) plan.mtp.push_back(plan.layers.back());
}
}  // namespace moesim::spec
