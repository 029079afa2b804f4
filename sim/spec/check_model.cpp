#include "spec/check_model.h"

#include <fmt/format.h>

namespace moesim {
namespace {
class Checker {
 public:
  Checker(const Model& model, const std::function<void(std::string_view, std::string_view)>& fail)
      : m_(model), fail_(fail) {}

  void counts() const {
    positive("vocabulary", m_.vocabulary);
    positive("hidden", m_.hidden);
    positive("layers", m_.layers);
    not_negative("mtp_layers", m_.mtp_layers);
  }
  void dense() const {
    if (int(m_.moe_layers().size()) < m_.layers) positive("dense_width", m_.dense_width);
  }

  void attention() const {
    const AttentionShape& a = m_.attention;
    positive("attention.heads", a.heads);
    positive("attention.kv_heads", a.kv_heads);
    positive("attention.head_dim", a.head_dim);
    positive("attention.v_head_dim", a.v_head_dim);
    if (a.heads % a.kv_heads != 0) fail("attention.kv_heads", "must divide the {} heads, got {}", a.heads, a.kv_heads);
    if (a.kind != AttentionKind::gqa && a.kv_heads != a.heads)
      fail("attention.kv_heads", "must equal the {} heads for {}, got {}", a.heads, name_of(a.kind), a.kv_heads);
    if (a.kind == AttentionKind::mla) latent();
    if (!(a.temperature_scale >= 0))
      fail("attention.temperature_scale", "must be 0 or more, got {}", a.temperature_scale);
    if (a.temperature_scale > 0 && !(a.temperature_floor > 0))
      fail("attention.temperature_floor", "must be more than 0, got {}", a.temperature_floor);
    if (!a.sliding_layers.empty()) positive("attention.sliding_window", a.sliding_window);
    int last = -1;
    for (const int layer : a.sliding_layers) {
      if (layer <= last || layer >= m_.layers)
        fail("attention.sliding_layers", "must be ascending layer numbers from 0 to {}, got {}", m_.layers - 1, layer);
      last = layer;
    }
  }

  void rope() const {
    if (!(m_.rope.theta > 0)) fail("rope.theta", "must be more than 0, got {}", m_.rope.theta);
    if (!(m_.rope.partial > 0 && m_.rope.partial <= 1))
      fail("rope.partial", "must be more than 0 and at most 1, got {}", m_.rope.partial);
    const std::string& scaling = m_.rope.scaling;
    if (scaling != "none" && scaling != "yarn" && scaling != "llama3" && scaling != "linear")
      fail("rope.scaling", "expected none, yarn, llama3 or linear, got \"{}\"", scaling);
    if (scaling != "none" && !(m_.rope.factor >= 1)) fail("rope.factor", "must be 1 or more, got {}", m_.rope.factor);
  }

  void mixture() const {
    const MoeShape& s = *m_.moe;
    positive("moe.experts", s.experts);
    positive("moe.expert_width", s.expert_width);
    positive("moe.groups", s.groups);
    positive("moe.layer_frequency", s.layer_frequency);
    not_negative("moe.shared_experts", s.shared_experts);
    if (s.top_k < 1 || s.top_k > s.experts)
      fail("moe.top_k", "must lie between 1 and the {} experts, got {}", s.experts, s.top_k);
    if (s.experts % s.groups != 0) fail("moe.groups", "must divide the {} experts, got {}", s.experts, s.groups);
    if (s.groups_used < 1 || s.groups_used > s.groups)
      fail("moe.groups_used", "must lie between 1 and the {} groups, got {}", s.groups, s.groups_used);
    if (s.selection == Selection::noaux_tc && s.groups > 1 && s.experts / s.groups < 2)
      fail("moe.groups", "must leave 2 experts a group, which noaux_tc ranks groups by, got {} groups of 1", s.groups);
    const int reachable = s.groups_used * (s.experts / s.groups);
    if (s.top_k > reachable)
      fail("moe.top_k", "must be at most {}, the experts of {} of {} groups, got {}", reachable, s.groups_used,
           s.groups, s.top_k);
    if (s.first_dense_layers < 0 || s.first_dense_layers > m_.layers)
      fail("moe.first_dense_layers", "must lie between 0 and the {} layers, got {}", m_.layers, s.first_dense_layers);
    if (m_.moe_layers().empty()) fail("moe.first_dense_layers", "leaves no MoE layer among the {} layers", m_.layers);
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(std::string_view key, fmt::format_string<Args...> problem, Args&&... args) const {
    fail_(key, fmt::format(problem, std::forward<Args>(args)...));
    throw std::logic_error("check_model: the handler of a broken rule returned");
  }
  void positive(std::string_view key, int value) const {
    if (value <= 0) fail(key, "must be more than 0, got {}", value);
  }
  void not_negative(std::string_view key, int value) const {
    if (value < 0) fail(key, "must be 0 or more, got {}", value);
  }
  void latent() const {
    const AttentionShape& a = m_.attention;
    positive("attention.kv_lora_rank", a.kv_lora_rank);
    positive("attention.qk_nope_head_dim", a.qk_nope_head_dim);
    positive("attention.qk_rope_head_dim", a.qk_rope_head_dim);
    not_negative("attention.q_lora_rank", a.q_lora_rank);
    if (a.head_dim != a.qk_nope_head_dim + a.qk_rope_head_dim)
      fail("attention.head_dim", "must be qk_nope_head_dim + qk_rope_head_dim = {}, got {}",
           a.qk_nope_head_dim + a.qk_rope_head_dim, a.head_dim);
  }
  const Model& m_;
  const std::function<void(std::string_view, std::string_view)>& fail_;
};
}  // namespace

void check_model(const Model& model, const std::function<void(std::string_view, std::string_view)>& fail) {
  const Checker checker(model, fail);
  checker.counts();
  if (model.moe) checker.mixture();
  checker.dense();
  checker.attention();
  checker.rope();
}
}  // namespace moesim
