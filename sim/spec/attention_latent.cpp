// MLA: the cache holds a latent of keys and values and one key part with positions for all heads.
// Source: DeepSeek-V2 paper, section 2.1.
#include <algorithm>

#include "spec/attention_rules.h"
#include "spec/scale_steps.h"

namespace moesim::spec {
namespace {
/// DeepSeek's widths, where MLA stands in for another kind.
constexpr int kUsualLatent = 512, kUsualRope = 64;

class LatentRules final : public AttentionRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    if (a.kv_heads != a.heads)
      checks.fail("attention.kv_heads", "must equal the {} heads for {}, got {}", a.heads, name_of(a.kind), a.kv_heads);
    checks.positive("attention.kv_lora_rank", a.kv_lora_rank);
    checks.positive("attention.qk_nope_head_dim", a.qk_nope_head_dim);
    checks.positive("attention.qk_rope_head_dim", a.qk_rope_head_dim);
    checks.not_negative("attention.q_lora_rank", a.q_lora_rank);
    if (a.head_dim != a.qk_nope_head_dim + a.qk_rope_head_dim)
      checks.fail("attention.head_dim", "must be qk_nope_head_dim + qk_rope_head_dim = {}, got {}",
                  a.qk_nope_head_dim + a.qk_rope_head_dim, a.head_dim);
  }

  std::vector<AttentionWeight> weights(const Model& m) const override {
    const AttentionShape& a = m.attention;
    const std::int64_t q = std::int64_t{a.heads} * a.head_dim;
    std::vector<AttentionWeight> out;
    if (a.q_lora_rank > 0) {
      out.push_back({a.q_lora_rank, m.hidden});
      out.push_back({1, a.q_lora_rank, false});
    }
    out.push_back({q, a.q_lora_rank > 0 ? a.q_lora_rank : m.hidden});
    out.push_back({latent_width(a), m.hidden});
    out.push_back({1, a.kv_lora_rank, false});
    out.push_back({std::int64_t{a.heads} * (a.qk_nope_head_dim + a.v_head_dim), a.kv_lora_rank});
    if (a.output_gate) out.push_back({std::int64_t{a.heads} * a.v_head_dim, m.hidden});
    return out;
  }

  RotatedColumns rotated_columns(const Model& m) const override {
    return {m.attention.qk_nope_head_dim, m.attention.qk_rope_head_dim, true};
  }

  Bytes token_bytes(const AttentionShape& a, CacheFormat format) const override {
    switch (format) {
      case CacheFormat::bf16:
        return {2 * std::int64_t{latent_width(a)}};
      case CacheFormat::fp8:
        return {latent_width(a)};
      case CacheFormat::fp8_mla:
        return {a.kv_lora_rank + 4 * ((a.kv_lora_rank + 127) / 128) + 2 * a.qk_rope_head_dim};
    }
    throw std::logic_error("a cache format without a size");
  }
  int latent_width(const AttentionShape& a) const override { return a.kv_lora_rank + a.qk_rope_head_dim; }
  std::int64_t decode_width(const AttentionShape& a) const override { return latent_width(a) + a.kv_lora_rank; }

  AttentionShape instead_of(AttentionShape own) const override {
    const bool has_latent = own.kind == AttentionKind::mla || own.kind == AttentionKind::dsa;
    own.kind = AttentionKind::mla;
    own.indexer.reset();
    own.blocks.reset();
    if (has_latent) return own;
    own.kv_lora_rank = kUsualLatent;
    own.qk_rope_head_dim = kUsualRope;
    return own;
  }

  void scale(AttentionShape& a, const Scale& s) const override {
    const int heads = a.heads;
    scale_equal_heads(a, s);
    const double rest = left_of_factor(a, s, heads);
    not_for("head_dim", s.head_dim, "for MLA give qk_nope_head_dim and qk_rope_head_dim");
    a.qk_nope_head_dim = smaller("qk_nope_head_dim", s.qk_nope_head_dim, a.qk_nope_head_dim, rest, 2, 4);
    a.qk_rope_head_dim = smaller("qk_rope_head_dim", s.qk_rope_head_dim, a.qk_rope_head_dim, rest, 2, 4);
    if (a.qk_rope_head_dim % 2 != 0)
      fail_scale("qk_rope_head_dim", fmt::format("must be even for RoPE, got {}", a.qk_rope_head_dim));
    a.v_head_dim = smaller("v_head_dim", s.v_head_dim, a.v_head_dim, rest, 2, 4);
    a.q_lora_rank = smaller("q_lora_rank", s.q_lora_rank, a.q_lora_rank, s.factor, 1, 4);
    a.kv_lora_rank = smaller("kv_lora_rank", s.kv_lora_rank, a.kv_lora_rank, s.factor, 1, 4);
    a.head_dim = a.qk_nope_head_dim + a.qk_rope_head_dim;
  }

  void fit_laptop(const AttentionShape& a, Scale& s) const override {
    s.qk_nope_head_dim = std::min(16, a.qk_nope_head_dim);
    s.qk_rope_head_dim = std::min(8, a.qk_rope_head_dim);
    s.v_head_dim = std::min(16, a.v_head_dim);
    s.kv_lora_rank = std::min(32, a.kv_lora_rank);
    if (a.q_lora_rank > 0) s.q_lora_rank = std::min(48, a.q_lora_rank);
  }
};
}  // namespace

const AttentionRules& latent_rules() {
  static const LatentRules rules;
  return rules;
}
}  // namespace moesim::spec
