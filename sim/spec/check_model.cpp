#include "spec/check_model.h"

#include "spec/attention_rules.h"

namespace moesim::spec {
namespace {
class Checker {
 public:
  Checker(const Model& model, const Refuse& refuse) : m_(model), checks_(refuse) {}

  void counts() const {
    count("vocabulary", m_.vocabulary, 1, kMostVocabulary);
    count("hidden", m_.hidden, 1, kMostWidth);
    count("layers", m_.layers, 1, kMostLayers);
    count("mtp_layers", m_.mtp_layers, 0, kMostLayers);
    if (!(m_.norm_epsilon > 0 && m_.norm_epsilon <= 1))
      checks_.fail("norm_epsilon", "must be more than 0 and at most 1, got {}", m_.norm_epsilon);
  }
  void dense() const {
    if (int(m_.moe_layers().size()) < m_.layers) checks_.positive("dense_width", m_.dense_width);
  }

  void attention() const {
    const AttentionShape& a = m_.attention;
    checks_.positive("attention.heads", a.heads);
    checks_.positive("attention.kv_heads", a.kv_heads);
    checks_.positive("attention.head_dim", a.head_dim);
    checks_.positive("attention.v_head_dim", a.v_head_dim);
    if (a.heads % a.kv_heads != 0)
      checks_.fail("attention.kv_heads", "must divide the {} heads, got {}", a.heads, a.kv_heads);
    rules_of(a.kind).check(a, checks_);
    if (!(a.temperature_scale >= 0))
      checks_.fail("attention.temperature_scale", "must be 0 or more, got {}", a.temperature_scale);
    if (a.temperature_scale > 0 && !(a.temperature_floor > 0))
      checks_.fail("attention.temperature_floor", "must be more than 0, got {}", a.temperature_floor);
    if (!a.sliding_layers.empty()) checks_.positive("attention.sliding_window", a.sliding_window);
    int last = -1;
    for (const int layer : a.sliding_layers) {
      if (layer <= last || layer >= m_.layers)
        checks_.fail("attention.sliding_layers", "must be ascending layer numbers from 0 to {}, got {}", m_.layers - 1,
                     layer);
      last = layer;
    }
  }

  void rope() const {
    if (!(m_.rope.theta > 0)) checks_.fail("rope.theta", "must be more than 0, got {}", m_.rope.theta);
    if (!(m_.rope.partial > 0 && m_.rope.partial <= 1))
      checks_.fail("rope.partial", "must be more than 0 and at most 1, got {}", m_.rope.partial);
    const std::string& scaling = m_.rope.scaling;
    if (scaling != "none" && scaling != "yarn" && scaling != "llama3" && scaling != "linear")
      checks_.fail("rope.scaling", "expected none, yarn, llama3 or linear, got \"{}\"", scaling);
    if (scaling != "none" && !(m_.rope.factor >= 1))
      checks_.fail("rope.factor", "must be 1 or more, got {}", m_.rope.factor);
  }

  void mixture() const {
    const MoeShape& s = *m_.moe;
    count("moe.experts", s.experts, 1, kMostExperts);
    count("moe.expert_width", s.expert_width, 1, kMostWidth);
    checks_.positive("moe.groups", s.groups);
    checks_.positive("moe.layer_frequency", s.layer_frequency);
    count("moe.shared_experts", s.shared_experts, 0, kMostExperts);
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
    if (m_.moe_layers().empty())
      checks_.fail("moe.first_dense_layers", "leaves no MoE layer among the {} layers", m_.layers);
  }

 private:
  // Far above any model's; products of four, two widths, layers and experts, still fit 64 bits.
  static constexpr int kMostWidth = 100'000, kMostLayers = 10'000, kMostVocabulary = 10'000'000;
  static constexpr int kMostExperts = 32'767;  // what a choice of a token numbers (routing/traffic.h)

  void count(std::string_view key, int value, int least, int most) const {
    if (least > 0)
      checks_.positive(key, value);
    else
      checks_.not_negative(key, value);
    if (value > most) checks_.fail(key, "must be at most {}, got {}", most, value);
  }

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
}
}  // namespace moesim::spec
