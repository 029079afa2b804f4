// Multi-matrix factorization attention (MFA, Step-3): many query heads, which come through a normed latent, on one key
// and value head.  Source: Step-3 report, arXiv 2507.19427, section 2; vLLM's step3_text.py.
#include <algorithm>

#include "spec/attention_rules.h"
#include "spec/check_model.h"
#include "spec/scale_steps.h"

namespace moesim::spec {
namespace {
class FactoredRules final : public AttentionRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    checks.count("attention.q_lora_rank", a.q_lora_rank, kMostWidth);
    if (a.kv_heads != 1) checks.fail("attention.kv_heads", "must be 1 for {}, got {}", name_of(a.kind), a.kv_heads);
    if (a.qk_norm) checks.fail("attention.qk_norm", "has no kernels for {}", name_of(a.kind));
    if (a.output_gate) checks.fail("attention.output_gate", "has no kernels for {}", name_of(a.kind));
  }

  // To the latent, its norm, from it to the heads; keys and values.
  std::vector<AttentionWeight> weights(const Model& m) const override {
    const AttentionShape& a = m.attention;
    return {{a.q_lora_rank, m.hidden},
            {1, a.q_lora_rank, false},
            {std::int64_t{a.heads} * a.head_dim, a.q_lora_rank},
            {std::int64_t{a.kv_heads} * a.head_dim, m.hidden},
            {std::int64_t{a.kv_heads} * a.v_head_dim, m.hidden}};
  }
  RotatedColumns rotated_columns(const Model& m) const override { return heads_.rotated_columns(m); }

  Bytes token_bytes(const AttentionShape& a, CacheFormat format) const override {
    return heads_.token_bytes(a, format);
  }
  int latent_width(const AttentionShape&) const override { return 0; }
  std::int64_t decode_width(const AttentionShape& a) const override { return heads_.decode_width(a); }
  AttentionShape instead_of(AttentionShape own) const override { return own; }

  void scale(AttentionShape& a, const Scale& s) const override {
    const int heads = a.heads;
    not_for("kv_heads", s.kv_heads, "all heads share one key");
    a.heads = smaller("heads", s.heads, a.heads, s.factor);
    a.q_lora_rank = smaller("q_lora_rank", s.q_lora_rank, a.q_lora_rank, s.factor, 1, 4);
    a.head_dim = a.v_head_dim = smaller("head_dim", s.head_dim, a.head_dim, left_of_factor(a, s, heads), 2, 4);
  }
  void fit_laptop(const AttentionShape& a, Scale& s) const override {
    s.head_dim = std::min(32, a.head_dim);
    s.q_lora_rank = std::min(48, a.q_lora_rank);
  }

 private:
  const AttentionRules& heads_ = grouped_rules();
};
}  // namespace

const AttentionRules& factored_rules() {
  static const FactoredRules rules;
  return rules;
}
}  // namespace moesim::spec
