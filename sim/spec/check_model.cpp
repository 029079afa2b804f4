#include "spec/check_model.h"

#include <algorithm>

#include "spec/attention_rules.h"

namespace moesim::spec {
namespace {
class Checker {
 public:
  Checker(const Model& model, const Refuse& refuse) : m_(model), checks_(refuse) {}

  void counts() const {
    checks_.count("vocabulary", m_.vocabulary, kMostVocabulary);
    checks_.count("hidden", m_.hidden, kMostWidth);
    checks_.count("layers", m_.layers, kMostLayers);
    checks_.not_negative("mtp_layers", m_.mtp_layers);
    checks_.at_most("mtp_layers", m_.mtp_layers, kMostLayers);
    checks_.at_most("dense_width", m_.dense_width, kMostWidth);
    checks_.not_negative("dense_width", m_.dense_width);
    checks_.not_negative("max_positions", m_.max_positions);
    checks_.count("norms_per_layer", m_.norms_per_layer, kMostNorms);
    checks_.above_zero("norm_epsilon", m_.norm_epsilon);
    checks_.not_negative("swiglu_limit", m_.swiglu_limit);
    checks_.not_negative("published.stored", m_.published.stored);
  }
  void dense() const {
    if (!m_.halved() && int(m_.moe_layers().size()) < m_.layers) checks_.positive("dense_width", m_.dense_width);
  }

  void attention() const {
    const AttentionShape& a = m_.attention;
    checks_.count("attention.heads", a.heads, kMostWidth);
    checks_.positive("attention.kv_heads", a.kv_heads);
    checks_.count("attention.head_dim", a.head_dim, kMostWidth / a.heads);
    checks_.count("attention.v_head_dim", a.v_head_dim, kMostWidth / a.heads);
    for (const auto& [key, width] :
         {std::pair("attention.q_lora_rank", a.q_lora_rank), std::pair("attention.kv_lora_rank", a.kv_lora_rank),
          std::pair("attention.qk_nope_head_dim", a.qk_nope_head_dim),
          std::pair("attention.qk_rope_head_dim", a.qk_rope_head_dim)})
      checks_.at_most(key, width, kMostWidth);
    checks_.not_negative("attention.sliding_window", a.sliding_window);
    checks_.not_negative("attention.query_scalar", a.query_scalar);
    if (a.heads % a.kv_heads != 0)
      checks_.fail("attention.kv_heads", "must divide the {} heads, got {}", a.heads, a.kv_heads);
    rules_of(a.kind).check(a, checks_);
    heads_alone();
    indexer();
    if (!(a.temperature_scale >= 0))
      checks_.fail("attention.temperature_scale", "must be 0 or more, got {}", a.temperature_scale);
    if (a.temperature_scale > 0 && !(a.temperature_floor > 0))
      checks_.fail("attention.temperature_floor", "must be more than 0, got {}", a.temperature_floor);
    if (a.qk_norm_whole && !a.qk_norm)
      checks_.fail("attention.qk_norm_whole", "says how queries and keys are normalised, and qk_norm is false");
    if (!a.sliding_layers.empty()) checks_.positive("attention.sliding_window", a.sliding_window);
    checks_.ascending("attention.sliding_layers", a.sliding_layers, m_.layers);
  }

  /// What only attention with keys and values of its heads has.
  void heads_alone() const {
    const AttentionShape& a = m_.attention;
    const bool heads = a.kind == AttentionKind::mha || a.kind == AttentionKind::gqa;
    for (const auto& [key, has] :
         {std::pair("attention.head_gate", a.head_gate), std::pair("attention.keys_are_values", a.keys_are_values)})
      if (has && !heads) checks_.fail(key, "goes with attention of kind MHA or GQA, got {}", name_of(a.kind));
    if (a.keys_are_values && a.head_dim != a.v_head_dim)
      checks_.fail("attention.v_head_dim", "must be the head_dim {} where keys are the values, got {}", a.head_dim,
                   a.v_head_dim);
    if (a.window_heads) check_windows(m_, checks_);
  }

  void indexer() const {
    const AttentionShape& a = m_.attention;
    if (!a.indexer) return;
    if (a.kind != AttentionKind::dsa && a.kind != AttentionKind::compressed)
      checks_.fail("attention.indexer", "goes with attention of kind DSA or compressed, got {}", name_of(a.kind));
    checks_.at_most("attention.indexer.heads", a.indexer->heads, kMostWidth / a.indexer->head_dim);
    if (m_.max_positions > 0 && a.indexer->top_k > m_.max_positions)
      checks_.fail("attention.indexer.top_k", "picks more keys than the {} positions there are, got {}",
                   m_.max_positions, a.indexer->top_k);
    // The first layer picks for those after it.
    checks_.ascending("attention.indexer.shared_layers", a.indexer->shared_layers, m_.layers, 1);
  }

  void delta() const {
    if (m_.delta) check_delta(m_, checks_);
    if (m_.mamba) check_mamba(m_, checks_);
    if (m_.kimi) check_kimi(m_, checks_);
    if (m_.attention.blocks) check_blocks(m_, checks_);
    if (m_.attention.compressed) check_compressed(m_, checks_);
    checks_.count("residual_streams", m_.residual_streams, kMostStreams);
    checks_.not_negative("residual_blocks", m_.residual_blocks);
    checks_.at_most("residual_blocks", m_.residual_blocks, m_.layers);
    checks_.ascending("network_layers", m_.network_layers, m_.layers);
    for (const int layer : m_.network_layers)
      if (m_.mamba && std::ranges::binary_search(m_.mamba->layers, layer))
        checks_.fail("network_layers", "layer {} is of Mamba-2", layer);
  }

  void rope() const {
    checks_.above_zero("rope.theta", m_.rope.theta);
    checks_.not_negative("rope.local_theta", m_.rope.local_theta);
    checks_.not_negative("rope.no_rope_every", m_.rope.no_rope_every);
    checks_.not_negative("rope.original_positions", m_.rope.original_positions);
    if (!(m_.rope.partial > 0 && m_.rope.partial <= 1))
      checks_.fail("rope.partial", "must be more than 0 and at most 1, got {}", m_.rope.partial);
    if (!(m_.rope.local_partial >= 0 && m_.rope.local_partial <= 1))
      checks_.fail("rope.local_partial", "must lie between 0 and 1, got {}", m_.rope.local_partial);
    const std::string& scaling = m_.rope.scaling;
    if (scaling != "none" && scaling != "yarn" && scaling != "llama3" && scaling != "linear")
      checks_.fail("rope.scaling", "expected none, yarn, llama3 or linear, got \"{}\"", scaling);
    if (scaling != "none" && !(m_.rope.factor >= 1))
      checks_.fail("rope.factor", "must be 1 or more, got {}", m_.rope.factor);
  }

  void mixture() const {
    const MoeShape& s = *m_.moe;
    checks_.count("moe.experts", s.experts, kMostExperts);
    checks_.count("moe.expert_width", s.expert_width, kMostWidth);
    checks_.positive("moe.groups", s.groups);
    checks_.positive("moe.layer_frequency", s.layer_frequency);
    checks_.not_negative("moe.layer_offset", s.layer_offset);
    checks_.at_most("moe.layer_offset", s.layer_offset, s.layer_frequency - 1);
    checks_.not_negative("moe.idle_experts", s.idle_experts);
    checks_.at_most("moe.idle_experts", s.idle_experts, kMostExperts);
    if (s.dense_beside) checks_.positive("moe.shared_experts", s.shared_experts);
    if (s.shortcut && (s.layer_frequency != 2 || s.layer_offset != 1))
      checks_.fail("moe.shortcut",
                   "goes with experts in the even layers: layer_frequency 2 and layer_offset 1, got {} and {}",
                   s.layer_frequency, s.layer_offset);
    checks_.not_negative("moe.hash_layers", s.hash_layers);
    checks_.at_most("moe.hash_layers", s.hash_layers, m_.layers);
    checks_.not_negative("moe.shared_experts", s.shared_experts);
    checks_.at_most("moe.shared_experts", s.shared_experts, kMostExperts);
    checks_.not_negative("moe.shared_width", s.shared_width);
    checks_.at_most("moe.shared_width", s.shared_width, kMostWidth);
    checks_.not_negative("moe.latent_width", s.latent_width);
    checks_.at_most("moe.latent_width", s.latent_width, kMostWidth);
    if (s.latent_norm) checks_.positive("moe.latent_width", s.latent_width);
    if ((s.shared_width > 0 || s.shared_gate) && s.shared_experts == 0)
      checks_.fail("moe.shared_experts", "must be more than 0 where their width or their gate is given, got 0");
    checks_.above_zero("moe.scale", s.scale);
    checks_.not_negative("moe.balance_loss", s.balance_loss);
    if (s.top_k < 1 || s.top_k > s.experts)
      checks_.fail("moe.top_k", "must lie between 1 and the {} experts, got {}", s.experts, s.top_k);
    if (s.experts % s.groups != 0)
      checks_.fail("moe.groups", "must divide the {} experts, got {}", s.experts, s.groups);
    if (s.groups_used < 1 || s.groups_used > s.groups)
      checks_.fail("moe.groups_used", "must lie between 1 and the {} groups, got {}", s.groups, s.groups_used);
    if (s.selection == Selection::noaux_tc && s.groups > 1 && s.experts / s.groups < 2)
      checks_.fail("moe.groups", "must leave 2 experts a group, which noaux_tc ranks groups by, got {} groups of 1",
                   s.groups);
    const int reachable = s.groups_used * (s.experts / s.groups);
    if (s.top_k > reachable)
      checks_.fail("moe.top_k", "must be at most {}, the experts of {} of {} groups, got {}", reachable, s.groups_used,
                   s.groups, s.top_k);
    if (s.first_dense_layers < 0 || s.first_dense_layers > m_.layers)
      checks_.fail("moe.first_dense_layers", "must lie between 0 and the {} layers, got {}", m_.layers,
                   s.first_dense_layers);
    checks_.not_negative("moe.last_dense_layers", s.last_dense_layers);
    checks_.at_most("moe.last_dense_layers", s.last_dense_layers, m_.layers);
    if (m_.moe_layers().empty())
      checks_.fail("moe.first_dense_layers", "leaves no MoE layer among the {} layers", m_.layers);
  }
  /// At most so many parameters, of which no part is left out.
  void size() const {
    const AttentionShape& a = m_.attention;
    const double heads = a.heads, hidden = m_.hidden, ranks = double(a.q_lora_rank) + a.kv_lora_rank;
    const double attention = (hidden + ranks) * (heads * (2.0 * a.head_dim + 2.0 * a.v_head_dim) + ranks);
    const double dense = 3.0 * hidden * m_.dense_width;
    const double experts =
        m_.moe ? 3.0 * hidden * m_.moe->expert_width * (m_.moe->experts + m_.moe->shared_experts) : 0;
    const double state =
        m_.delta ? (hidden + m_.delta->convolution) * (double(m_.delta->channels()) + 3.0 * double(m_.delta->values()))
                 : 0;
    const double kimi = m_.kimi ? (6.0 * hidden + 2.0 * m_.kimi->dim) * double(m_.kimi->width()) : 0;
    const double all = (m_.layers + m_.mtp_layers) * (attention + state + kimi + dense + experts) +
                       2.0 * hidden * m_.vocabulary * (1 + m_.mtp_layers);
    if (all > kMostParameters)
      checks_.fail("hidden", "with it the model has about {:.1g} parameters, expected at most {:.0g}", all,
                   kMostParameters);
  }

 private:
  static constexpr int kMostNorms = 100, kMostStreams = 100;
  const Model& m_;
  const FieldChecks checks_;
};
}  // namespace

void check_model(const Model& model, const Refuse& refuse) {
  const Checker checker(model, refuse);
  checker.counts();
  if (model.moe) checker.mixture();
  checker.dense();
  checker.attention();
  checker.rope();
  checker.delta();
  checker.size();
}
}  // namespace moesim::spec
