// What families have in common: a plan's start, attention of heads, MLA, mixtures, lists of layer kinds.
#pragma once
#include <string>
#include <vector>

#include "spec/check_model.h"
#include "spec/release/keys.h"
#include "spec/release/plan.h"

namespace moesim::spec {

/// A product of two that is a width; throws at `key` if it is beyond kMostWidth.
int width_of(const Keys& k, const char* key, std::int64_t one, std::int64_t other);

/// Widths, vocabulary and layers; every layer empty.  What a family's class leaves out is given.
struct PlanDefaults {
  int vocabulary = 0;  // 0: the key must be there
  bool tied = false;
};
Plan start_plan(const Keys& k, const PlanDefaults& defaults = {});

struct HeadDefaults {
  int heads = 0, kv_heads = 0;  // 0: must be said; as many as heads
  int head_dim = 0;             // 0: hidden / heads
  bool qkv_bias = false, o_bias = false;
  HeadPlan::Norm norm = HeadPlan::Norm::none;
};
/// num_attention_heads, num_key_value_heads, head_dim.  Throws if the heads do not share out evenly.
HeadPlan read_heads(const Keys& k, const Plan& plan, const HeadDefaults& defaults = {});
void check_groups(const Keys& k, const char* heads_key, int heads, const char* groups_key, int groups);

LatentPlan read_latent(const Keys& k);
void read_indexer(const Keys& k, LatentPlan& p);

/// DeepSeek's names for a mixture.
ExpertPlan read_deepseek_experts(const Keys& k, bool selection_bias);
/// Mixtral's names for a mixture of num_local_experts as wide as intermediate_size; what its class leaves out is given.
ExpertPlan read_local_experts(const Keys& k, int experts, int top_k);
/// Throws if more are chosen than there are.
void check_experts(const Keys& k, const ExpertPlan& x, const char* top_key);

/// Which layers have experts: from first_k_dense_replace on every moe_layer_freq-th, or by mlp_layer_types.
std::vector<bool> deepseek_mixture_layers(const Keys& k, const Plan& plan);

/// Sets `value` for the layers that the list at `key` names; one that is missing names none.
void mark_layers(const Keys& k, const char* key, std::vector<bool>& layers, bool value);

/// layer_types, each one of `known`; empty if the key is missing.
std::vector<std::string> read_layer_types(const Keys& k, const Plan& plan, std::vector<std::string_view> known,
                                          const char* key = "layer_types");

void all_layers(Plan& plan, const LayerPlan& layer);
/// A layer of attention heads, without its second half.
LayerPlan with_heads(const HeadPlan& heads, int norms = 2);
/// Mixtral's names of modules, which others took over.
void name_mixtral(Plan& plan);

/// The width of dense networks at `key`, which may be missing where every layer of `where` is a mixture.
int dense_width(const Keys& k, const std::vector<bool>& where, const char* key = "intermediate_size");
/// Gives the layers in `where` the mixture and the others a dense network.
void place_ffn(Plan& plan, const std::vector<bool>& where, const ExpertPlan& experts, int dense);
/// The MTP modules that `key` counts; throws if there are too many to be a model's.
int mtp_modules(const Keys& k, const char* key = "num_nextn_predict_layers");
void mtp_like_last(Plan& plan, int modules);
}  // namespace moesim::spec
