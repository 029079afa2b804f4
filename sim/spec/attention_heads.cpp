// Attention that caches the keys and values of its KV heads: as many as query heads (MHA) or fewer (GQA).
#include <algorithm>

#include "spec/attention_rules.h"
#include "spec/scale_steps.h"

namespace moesim::spec {
namespace {
/// GQA's KV heads where it stands in for another kind.
constexpr int kUsualGroups = 8;

class HeadRules final : public AttentionRules {
 public:
  explicit HeadRules(bool grouped) : grouped_(grouped) {}

  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    if (!grouped_ && a.kv_heads != a.heads)
      checks.fail("attention.kv_heads", "must equal the {} heads for {}, got {}", a.heads, name_of(a.kind), a.kv_heads);
  }

  std::vector<AttentionWeight> weights(const Model& m) const override { return head_weights(m, m.attention); }
  RotatedColumns rotated_columns(const Model& m) const override {
    return rotated_heads(m, m.attention.head_dim, m.rope.partial);
  }

  Bytes token_bytes(const AttentionShape& a, CacheFormat format) const override {
    const std::int64_t elements = std::int64_t{a.kv_heads} * (a.head_dim + a.v_head_dim);
    return {format == CacheFormat::bf16 ? 2 * elements : elements};
  }
  int latent_width(const AttentionShape&) const override { return 0; }
  std::int64_t decode_width(const AttentionShape& a) const override { return a.head_dim + a.v_head_dim; }

  AttentionShape instead_of(AttentionShape own) const override {
    own.indexer.reset();
    own.blocks.reset();
    own.kind = grouped_ ? AttentionKind::gqa : AttentionKind::mha;
    own.head_dim = own.v_head_dim;  // MLA's queries and keys carry the rope part besides
    own.kv_heads = grouped_ ? kUsualGroups : own.heads;
    return own;
  }

  void scale(AttentionShape& a, const Scale& s) const override {
    const int heads = a.heads;
    const AttentionShape before = a;
    if (grouped_)
      scale_groups(a, s);
    else
      scale_equal_heads(a, s);
    for (const auto& [key, given] : {std::pair{"v_head_dim", s.v_head_dim},
                                     {"qk_nope_head_dim", s.qk_nope_head_dim},
                                     {"qk_rope_head_dim", s.qk_rope_head_dim},
                                     {"q_lora_rank", s.q_lora_rank},
                                     {"kv_lora_rank", s.kv_lora_rank}})
      not_for(key, given, fmt::format("only MLA models have it, this one has {}", name_of(a.kind)));
    a.head_dim = a.v_head_dim = smaller("head_dim", s.head_dim, a.head_dim, left_of_factor(a, s, heads), 2, 4);
    if (a.head_dim % 2 != 0) fail_scale("head_dim", fmt::format("must be even for RoPE, got {}", a.head_dim));
    if (a.window_heads) scale_windows(a, before);
  }

  void fit_laptop(const AttentionShape& a, Scale& s) const override {
    if (grouped_) s.kv_heads = std::min(2, a.kv_heads);
    s.head_dim = std::min(32, a.head_dim);
  }

 private:
  /// Query heads; as many as divide evenly among the KV heads.
  static void scale_groups(AttentionShape& a, const Scale& s) {
    const int ratio = a.heads / a.kv_heads;
    a.kv_heads = smaller("kv_heads", s.kv_heads, a.kv_heads, s.heads ? 1 : s.factor);
    if (s.heads && !s.kv_heads) a.kv_heads = std::max(1, *s.heads / ratio);
    const int unit = a.kv_heads;
    a.heads = smaller("heads", s.heads, a.heads, s.factor, unit, unit);
  }

  bool grouped_;
};
}  // namespace

std::vector<AttentionWeight> head_weights(const Model& m, const AttentionShape& a) {
  std::vector<AttentionWeight> out;
  const std::int64_t q = std::int64_t{a.heads} * a.head_dim, k = std::int64_t{a.kv_heads} * a.head_dim,
                     v = a.keys_are_values ? 0 : std::int64_t{a.kv_heads} * a.v_head_dim;
  for (const std::int64_t rows : {a.output_gate ? 2 * q : q, k, v}) {
    if (rows == 0) continue;
    out.push_back({rows, m.hidden});
    if (a.qkv_bias) out.push_back({1, rows, false});
  }
  if (a.head_gate) out.push_back({a.heads, m.hidden});
  if (m.has_qk_norm_weights()) out.push_back({1, a.qk_norm_whole ? q + k : 2 * std::int64_t{a.head_dim}, false});
  return out;
}

RotatedColumns rotated_heads(const Model& m, int dim, double share) {
  return {0, std::max(2, int(dim * share) / 2 * 2), traits_of(m.architecture).interleaved_rope};
}

const AttentionRules& multi_head_rules() {
  static const HeadRules rules(false);
  return rules;
}
const AttentionRules& grouped_rules() {
  static const HeadRules rules(true);
  return rules;
}
}  // namespace moesim::spec
