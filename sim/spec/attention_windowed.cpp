// Windowed layers with heads of their own beside layers that attend to every key with others (Step-3.7, MiMo-V2,
// Gemma-4): what GQA is, with the widths of AttentionShape::window_heads.
#include <algorithm>
#include <numeric>

#include "spec/attention_rules.h"
#include "spec/check_model.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
class WindowRules final : public AttentionRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    checks.fail("attention.kind", "{} is what windowed layers have where `window_heads` is given; expected MHA or GQA",
                name_of(a.kind));
  }

  std::vector<AttentionWeight> weights(const Model& m) const override { return head_weights(m, own(m.attention)); }
  std::int64_t output_width(const Model& m) const override {
    const WindowShape& w = *m.attention.window_heads;
    return std::int64_t{w.heads} * w.v_head_dim;
  }
  RotatedColumns rotated_columns(const Model& m) const override {
    return rotated_heads(m, m.attention.window_heads->head_dim,
                         m.rope.local_partial > 0 ? m.rope.local_partial : m.rope.partial);
  }

  Bytes token_bytes(const AttentionShape& a, CacheFormat format) const override {
    return heads_.token_bytes(own(a), format);
  }
  int latent_width(const AttentionShape&) const override { return 0; }
  std::int64_t decode_width(const AttentionShape& a) const override { return heads_.decode_width(own(a)); }
  std::int64_t prompt_width(const AttentionShape& a, std::int64_t length) const override {
    return heads_.prompt_width(own(a), length);
  }
  std::int64_t training_width(const AttentionShape& a) const override { return heads_.training_width(own(a)); }
  AttentionShape instead_of(AttentionShape a) const override { return a; }

  void scale(AttentionShape& a, const Scale& s) const override { heads_.scale(a, s); }
  void fit_laptop(const AttentionShape& a, Scale& s) const override { heads_.fit_laptop(a, s); }

 private:
  static AttentionShape own(const AttentionShape& a) { return heads_of(a, AttentionKind::windowed); }
  const AttentionRules& heads_ = grouped_rules();
};
}  // namespace

const AttentionRules& window_rules() {
  static const WindowRules rules;
  return rules;
}

void check_windows(const Model& m, const FieldChecks& checks) {
  const AttentionShape& a = m.attention;
  const WindowShape& w = *a.window_heads;
  if (a.kind != AttentionKind::mha && a.kind != AttentionKind::gqa)
    checks.fail("attention.window_heads", "goes with attention of kind MHA or GQA, got {}", name_of(a.kind));
  if (a.sliding_layers.empty())
    checks.fail("attention.window_heads", "is of windowed layers, and sliding_layers names none");
  checks.count("attention.window_heads.heads", w.heads, kMostWidth);
  checks.positive("attention.window_heads.kv_heads", w.kv_heads);
  checks.count("attention.window_heads.head_dim", w.head_dim, kMostWidth / w.heads);
  checks.count("attention.window_heads.v_head_dim", w.v_head_dim, kMostWidth / w.heads);
  if (w.heads % w.kv_heads != 0)
    checks.fail("attention.window_heads.kv_heads", "must divide the {} heads, got {}", w.heads, w.kv_heads);
}

// Each width keeps its ratio to the other layers'.
void scale_windows(AttentionShape& a, const AttentionShape& before) {
  WindowShape& w = *a.window_heads;
  const auto like = [](int own, int others, int others_before) {
    return std::max(1, int(std::int64_t{own} * others / others_before));
  };
  w.heads = like(w.heads, a.heads, before.heads);
  w.kv_heads = std::gcd(w.heads, like(w.kv_heads, a.kv_heads, before.kv_heads));
  w.head_dim = std::max(2, like(w.head_dim, a.head_dim, before.head_dim) / 2 * 2);
  w.v_head_dim = std::max(2, like(w.v_head_dim, a.v_head_dim, before.v_head_dim) / 2 * 2);
}
}  // namespace moesim::spec
