// The families of models, and what tells one from another: a row each in spec/architecture.cpp, which the code asks
// instead of the family's name.
#pragma once
#include <span>
#include <string_view>
#include <utility>

#include "spec/attention_kind.h"

namespace moesim::spec {

/// Whose layer structure and weight names a model has.
enum class Architecture {
  deepseek,
  deepseek_v2,
  deepseek_v3,
  mixtral,
  mistral,
  qwen3_moe,
  qwen2,
  llama,
  llama4,
  gemma3,
  gpt_oss,
  glm4_moe,
  deepseek_v32,
  glm_moe_dsa,
  olmoe,
  qwen2_moe,
  minimax_m2,
  qwen3_next,
  qwen3_5_moe,
  nemotron_h,
  deepseek_v4
};
constexpr auto enum_names(Architecture) {
  return std::to_array<std::pair<std::string_view, Architecture>>({{"deepseek", Architecture::deepseek},
                                                                   {"deepseek_v2", Architecture::deepseek_v2},
                                                                   {"deepseek_v3", Architecture::deepseek_v3},
                                                                   {"mixtral", Architecture::mixtral},
                                                                   {"mistral", Architecture::mistral},
                                                                   {"qwen3_moe", Architecture::qwen3_moe},
                                                                   {"qwen2", Architecture::qwen2},
                                                                   {"llama", Architecture::llama},
                                                                   {"llama4", Architecture::llama4},
                                                                   {"gemma3", Architecture::gemma3},
                                                                   {"gpt_oss", Architecture::gpt_oss},
                                                                   {"glm4_moe", Architecture::glm4_moe},
                                                                   {"deepseek_v32", Architecture::deepseek_v32},
                                                                   {"glm_moe_dsa", Architecture::glm_moe_dsa},
                                                                   {"olmoe", Architecture::olmoe},
                                                                   {"qwen2_moe", Architecture::qwen2_moe},
                                                                   {"minimax_m2", Architecture::minimax_m2},
                                                                   {"qwen3_next", Architecture::qwen3_next},
                                                                   {"qwen3_5_moe", Architecture::qwen3_5_moe},
                                                                   {"nemotron_h", Architecture::nemotron_h},
                                                                   {"deepseek_v4", Architecture::deepseek_v4}});
}

/// What the gate product of a feed-forward network goes through; relu_squared: its only product, it has no gate.
enum class Gating { silu, gelu, relu_squared };

/// How a config.json describes the mixture.
enum class MoeKeys {
  none,           ///< a dense family
  deepseek,       ///< n_routed_experts, first_k_dense_replace, topk_method ...
  local_experts,  ///< num_local_experts; every layer is MoE
  qwen,           ///< num_experts, decoder_sparse_step, mlp_only_layers
  olmoe,          ///< num_experts, as wide as intermediate_size; every layer is MoE
  minimax,        ///< num_local_experts, scoring_func, use_routing_bias; every layer is MoE
  llama4          ///< num_local_experts, interleave_moe_layer_step; one shared expert
};

/// Which layers a config.json without layer_types gives its window to.
enum class WindowedLayers {
  from_one_on,   ///< those from max_window_layers on
  even,          ///< every second, from the first on
  but_every_nth  ///< all but every n-th, n in sliding_window_pattern
};

/// What a config.json means that leaves a key out: the defaults of the family's class in transformers.
struct ConfigDefaults {
  int vocabulary = 0;  // 0: the key must be there
  int max_positions = 0;
  bool tied_embeddings = false;
  bool qk_norm = false;
  bool sigmoid_gate = false;  // scoring_func sigmoid, topk_method noaux_tc, norm_topk_prob true
  int top_k = 2;
  double swiglu_limit = 0;
  double query_scalar = 0;
  double rope_theta = 10000;
  double local_theta = 0;
  bool interleaved_index_rope = false;
  double partial_rotary = 1;
  double norm_epsilon = 1e-6;
};

/// One family.  A field left out of its row is as in Llama.
struct ArchitectureTraits {
  Architecture of{};

  // The forward pass
  Gating gating = Gating::silu;
  bool norms_from_one = false;        // norm weights are stored less 1
  bool scales_embedding = false;      // by the square root of the width
  bool interleaved_rope = false;      // RoPE turns neighbours; false: columns half a head apart.  MLA always does
  bool weightless_head_norm = false;  // QK norm has no weights, comes after RoPE, and only where there is RoPE

  // What its config.json does not say
  AttentionKind attention = AttentionKind::gqa;  // whose keys it has; gqa: MHA if there are as many KV heads as heads
  int norms_per_layer = 2;
  bool qkv_bias = false;
  bool qk_norm = false;
  bool sinks = false;
  bool biased_experts = false;     // router and experts
  bool output_takes_bias = false;  // attention_bias is about the output projection too

  bool joined_delta = false;     // gated DeltaNet's projections in two matrices, rows by key head; false: in four
  bool halved_layers = false;    // each layer is attention without positions, a state, or a network
  bool mtp_shares_ends = false;  // its MTP modules store no copies of embedding and head

  // Keys of config.json
  bool from_release = false;        // read as a release's (spec/release/)
  std::string_view also_read{};     // a second model_type that means this family; the first is its name
  std::string_view written_type{};  // "": its name
  MoeKeys moe = MoeKeys::none;
  WindowedLayers windowed = WindowedLayers::from_one_on;
  bool chunk_keys = false;   // attention_chunk_size, no_rope_layers, attn_temperature_tuning (Llama-4)
  bool qk_norm_key = false;  // use_qk_norm is written
  ConfigDefaults missing{};
};

/// Every family, in the order of the enum.
std::span<const ArchitectureTraits> architectures();
const ArchitectureTraits& traits_of(Architecture architecture);
}  // namespace moesim::spec
