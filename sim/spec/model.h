// What a model is made of: the published hyper-parameters, in the field's names.  Counting is in spec/count.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"

namespace moesim {

enum class AttentionKind { mha, gqa, mla };
enum class Score { softmax, sigmoid };
/// How a token's experts are selected from their scores.
enum class Selection {
  greedy,                ///< the top-k scores
  group_limited_greedy,  ///< top-k within the groups whose best score is highest (DeepSeek-V2)
  noaux_tc,              ///< scores plus a selection bias; groups ranked by their two best (DeepSeek-V3)
  topk_softmax,          ///< the top-k logits, then a softmax over those (Mixtral, gpt-oss)
  top1_input             ///< the top-1 logit, its sigmoid multiplied into the expert's input (Llama-4)
};
enum class Dtype { fp32, bf16, fp16, fp8, fp4 };

template <>
struct EnumNames<AttentionKind> {
  static constexpr std::pair<std::string_view, AttentionKind> table[] = {
      {"MHA", AttentionKind::mha}, {"GQA", AttentionKind::gqa}, {"MLA", AttentionKind::mla}};
};
template <>
struct EnumNames<Score> {
  static constexpr std::pair<std::string_view, Score> table[] = {{"softmax", Score::softmax},
                                                                 {"sigmoid", Score::sigmoid}};
};
template <>
struct EnumNames<Selection> {
  static constexpr std::pair<std::string_view, Selection> table[] = {
      {"greedy", Selection::greedy},
      {"group_limited_greedy", Selection::group_limited_greedy},
      {"noaux_tc", Selection::noaux_tc},
      {"topk_softmax", Selection::topk_softmax},
      {"top1_input", Selection::top1_input}};
};
template <>
struct EnumNames<Dtype> {
  static constexpr std::pair<std::string_view, Dtype> table[] = {
      {"fp32", Dtype::fp32}, {"bf16", Dtype::bf16}, {"fp16", Dtype::fp16}, {"fp8", Dtype::fp8}, {"fp4", Dtype::fp4}};
};

struct AttentionShape {
  AttentionKind kind = AttentionKind::mha;
  int heads = 0;
  int kv_heads = 0;  // equal to heads for MLA, where it means nothing
  int head_dim = 0;  // of Q and K; nope + rope for MLA
  int v_head_dim = 0;
  int q_lora_rank = 0;       // MLA: 0 means queries are not compressed
  int kv_lora_rank = 0;      // MLA
  int qk_nope_head_dim = 0;  // MLA
  int qk_rope_head_dim = 0;  // MLA
  bool qkv_bias = false;
  bool o_bias = false;
  bool qk_norm = false;
  bool sinks = false;               // one learned logit a head (gpt-oss)
  int sliding_window = 0;           // tokens; 0 means none
  std::vector<int> sliding_layers;  // the layers that use it, ascending
  bool chunked = false;             // the window is a fixed chunk instead of sliding (Llama-4)
};

struct MoeShape {
  int expert_width = 0;    // moe_intermediate_size
  int experts = 0;         // routed
  int shared_experts = 0;  // stored as one FFN of width shared_experts x expert_width
  int top_k = 0;
  int first_dense_layers = 0;  // first_k_dense_replace
  int layer_frequency = 1;     // Llama-4: 2, the odd layers
  Score score = Score::softmax;
  Selection selection = Selection::greedy;
  int groups = 1;          // n_group
  int groups_used = 1;     // topk_group
  bool normalise = false;  // norm_topk_prob
  double scale = 1;        // routed_scaling_factor
  bool selection_bias = false;
  bool router_linear_bias = false;
  bool expert_bias = false;
  double balance_loss = 0;  // coefficient of the auxiliary or sequence-wise loss
};

struct RopeShape {
  double theta = 10000;
  std::string scaling = "none";  // none, yarn, llama3, linear
  double factor = 1;
  int original_positions = 0;
  double beta_fast = 32, beta_slow = 1, mscale = 1, mscale_all_dim = 0;
  double low_freq_factor = 1, high_freq_factor = 4;
  bool truncate = true;    // YaRN: round the correction range to whole dimensions
  double local_theta = 0;  // theta of the sliding-window layers if different (Gemma-3); 0 means the same
  double partial = 1;      // share of each head that rotates (GLM-4.5: 0.5)
  int no_rope_every = 0;   // Llama-4: every 4th layer has no RoPE; 0 means all have
};

struct Model {
  std::string name;          // the catalogue's: deepseek-v3
  std::string title;         // DeepSeek-V3 (Dec 2024)
  std::string architecture;  // deepseek, deepseek_v2, deepseek_v3, mixtral, mistral, qwen3_moe, qwen2, llama, llama4,
                             // gemma3, gpt_oss, glm4_moe
  std::string hugging_face;  // repository, "" if not released
  std::string unpublished;   // why nothing below is known; "" for all others
  int vocabulary = 0, hidden = 0, layers = 0;
  int dense_width = 0;  // intermediate_size of dense layers; 0 if it has none
  AttentionShape attention;
  std::optional<MoeShape> moe;  // none for a dense model
  RopeShape rope;
  bool tied_embeddings = false;
  int mtp_layers = 0;  // num_nextn_predict_layers
  int max_positions = 0;
  int norms_per_layer = 2;  // 4 in Gemma-3
  double norm_epsilon = 1e-6;
  double swiglu_limit = 0;      // gpt-oss clamps at 7; 0 means no clamp
  Dtype weights = Dtype::bf16;  // as released
  std::string license, source;

  bool is_moe_layer(int layer) const {
    return moe && layer >= moe->first_dense_layers && (layer + 1) % moe->layer_frequency == 0;
  }
  /// Model layer numbers of the MoE layers, ascending.
  std::vector<int> moe_layers() const;
};
}  // namespace moesim
