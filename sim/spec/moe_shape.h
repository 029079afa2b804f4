// A mixture of experts: how many there are, how wide, how a token's are chosen, and which layers have them.
#pragma once
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace moesim::spec {

enum class Score { softmax, sigmoid, sqrt_softplus };
/// How a token's experts are selected from their scores.
enum class Selection {
  greedy,                ///< the top-k scores
  group_limited_greedy,  ///< top-k within the groups whose best score is highest (DeepSeek-V2)
  noaux_tc,              ///< scores plus a selection bias; groups ranked by their two best (DeepSeek-V3)
  topk_softmax,          ///< the top-k logits, then a softmax over those (Mixtral, gpt-oss)
  top1_input             ///< the top-1 logit, its sigmoid multiplied into the expert's input (Llama-4)
};

constexpr auto enum_names(Score) {
  return std::to_array<std::pair<std::string_view, Score>>(
      {{"softmax", Score::softmax}, {"sigmoid", Score::sigmoid}, {"sqrtsoftplus", Score::sqrt_softplus}});
}
constexpr auto enum_names(Selection) {
  return std::to_array<std::pair<std::string_view, Selection>>(
      {{"greedy", Selection::greedy},
       {"group_limited_greedy", Selection::group_limited_greedy},
       {"noaux_tc", Selection::noaux_tc},
       {"topk_softmax", Selection::topk_softmax},
       {"top1_input", Selection::top1_input}});
}

struct MoeShape {
  int expert_width = 0;      // moe_intermediate_size
  int experts = 0;           // routed
  int shared_experts = 0;    // stored as one FFN of width shared_experts x expert_width
  int shared_width = 0;      // of that FFN where it is no multiple of expert_width; 0: it is
  bool shared_gate = false;  // its output is multiplied by the sigmoid of one number a token (Qwen2-MoE)
  int latent_width = 0;      // routed experts' inputs and outputs, between two maps of every token; 0: the model's
  bool latent_norm = false;  // what they give is normed before it is mapped back (Kimi-K3)
  int top_k = 0;
  int first_dense_layers = 0;  // first_k_dense_replace
  int last_dense_layers = 0;   // after the last layer with experts (Step-3)
  int layer_frequency = 1;     // Llama-4: 2, the odd layers
  int layer_offset = 0;        // LongCat: 1, with a frequency of 2 the even layers
  int hash_layers = 0;         // num_hash_layers: the first ones, whose experts a table says by token id
  Score score = Score::softmax;
  Selection selection = Selection::greedy;
  int groups = 1;          // n_group
  int groups_used = 1;     // topk_group
  bool normalise = false;  // norm_topk_prob
  double scale = 1;        // routed_scaling_factor
  bool selection_bias = false;
  bool router_linear_bias = false;
  bool expert_bias = false;
  double balance_loss = 0;    // coefficient of the auxiliary or sequence-wise loss
  int idle_experts = 0;       // outputs of the gate beside the experts that compute nothing (LongCat)
  bool dense_beside = false;  // the network that every token uses is the layer's dense one (Gemma-4, LongCat)
  bool shortcut = false;      // what experts give joins a layer later: they run beside that one (LongCat)

  /// Scores of a token.
  int gate_outputs() const { return experts + idle_experts; }
  /// Experts of a token that compute, on average: each output of the gate is chosen equally often, as LongCat's biases
  /// see to (LongCat-Flash technical report, arXiv 2509.01322, section 2.1: 8 of 12).
  int rows_a_token() const {
    return idle_experts == 0 ? top_k : std::max(1, (top_k * experts + gate_outputs() / 2) / gate_outputs());
  }
  /// Inner width of the network that every token uses; 0 without one.
  int shared_total() const { return shared_width > 0 ? shared_width : shared_experts * expert_width; }

  static void fields(auto& f, auto& p) {
    f("expert_width", p.expert_width, "inner width of one routed expert");
    f("experts", p.experts, "routed experts a layer");
    f("shared_experts", p.shared_experts, "experts every token uses, stored as one of that many times the width");
    f("shared_width", p.shared_width, "inner width of all shared experts where it is no multiple of expert_width");
    f("shared_gate", p.shared_gate, "the shared experts' output is gated by the sigmoid of one number a token");
    f("latent_width", p.latent_width,
      "width that tokens are mapped to before routed experts, and back from after them; 0: the model's");
    f("latent_norm", p.latent_norm, "what routed experts give is normed before it is mapped back");
    f("top_k", p.top_k, "routed experts a token uses");
    f("first_dense_layers", p.first_dense_layers, "layers before the first MoE layer");
    f("last_dense_layers", p.last_dense_layers, "layers after the last MoE layer");
    f("layer_frequency", p.layer_frequency, "2: every second layer is MoE, the odd ones");
    f("hash_layers", p.hash_layers, "the first layers, whose experts a table says by token id");
    f("layer_offset", p.layer_offset,
      "layers by which those with experts come earlier, where not every layer has them");
    f("idle_experts", p.idle_experts, "outputs of the gate beside the experts that compute nothing: their tokens stay");
    f("dense_beside", p.dense_beside, "the network that every token uses is the layer's dense one");
    f("shortcut", p.shortcut, "what routed experts give joins one layer later, so that they run beside that layer");
    f("score", p.score, "softmax, sigmoid or sqrtsoftplus of the logits");
    f("selection", p.selection, "how the top-k experts are chosen from the scores");
    f("groups", p.groups, "groups of consecutive experts that selection is limited to");
    f("groups_used", p.groups_used, "groups a token may use");
    f("normalise", p.normalise, "gate weights are divided by their sum");
    f("scale", p.scale, "factor on the gate weights");
    f("selection_bias", p.selection_bias, "one bias an expert, used for choosing only");
    f("router_linear_bias", p.router_linear_bias, "the gate's linear map has a bias");
    f("expert_bias", p.expert_bias, "the experts' linear maps have biases");
    f("balance_loss", p.balance_loss, "coefficient of the auxiliary loss in the published configuration");
  }
};
}  // namespace moesim::spec
