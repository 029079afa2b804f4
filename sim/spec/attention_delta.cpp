// Gated DeltaNet: nothing is cached of a token; a request keeps a matrix a value head and the last inputs of a short
// convolution.  Source: Gated Delta Networks, arXiv 2412.06464; transformers' modeling_qwen3_next.py.
#include <algorithm>

#include "spec/check_model.h"
#include "spec/scale_steps.h"
#include "spec/state_rules.h"

namespace moesim::spec {
namespace {
class DeltaRules final : public StateRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    checks.fail("attention.kind", "{} is what the layers of `delta` have; expected MHA, GQA or MLA for the others",
                name_of(a.kind));
  }

  // Queries, keys, values and what gates the output; two numbers a value head; then the convolution, whose gradient is
  // no product, the decay's two vectors, and the norm of a head's output.
  std::vector<AttentionWeight> weights(const Model& m) const override {
    const DeltaShape& d = *m.delta;
    return {{d.channels() + d.values(), m.hidden},
            {2 * std::int64_t{d.value_heads}, m.hidden},
            {1, d.channels() * d.convolution, false},
            {1, d.value_heads, false},
            {1, d.value_heads, false},
            {1, d.value_dim, false}};
  }
  std::int64_t output_width(const Model& m) const override { return m.delta->values(); }

  // The matrices in FP32, as publishers' kernels keep them whatever the cache is in; the convolution's inputs in BF16.
  Bytes state_bytes(const Model& m) const override {
    return {4 * m.delta->state() + 2 * m.delta->channels() * (m.delta->convolution - 1)};
  }
  // Each matrix decays (1), gives what it says of the key (2), is corrected (2) and asked (2).
  double state_flops(const Model& m) const override { return 7 * double(m.delta->state()); }
};
}  // namespace

const AttentionRules& delta_rules() {
  static const DeltaRules rules;
  return rules;
}

void check_delta(const Model& m, const FieldChecks& checks) {
  constexpr int kMostConvolution = 1000;
  const DeltaShape& d = *m.delta;
  checks.count("delta.key_heads", d.key_heads, kMostWidth);
  checks.count("delta.value_heads", d.value_heads, kMostWidth);
  checks.count("delta.key_dim", d.key_dim, kMostWidth / d.key_heads);
  checks.count("delta.value_dim", d.value_dim, kMostWidth / d.value_heads);
  checks.count("delta.convolution", d.convolution, kMostConvolution);
  if (d.value_heads % d.key_heads != 0)
    checks.fail("delta.key_heads", "must divide the {} value heads, got {}", d.value_heads, d.key_heads);
  if (d.layers.empty()) checks.fail("delta.layers", "names no layer; leave `delta` out");
  checks.ascending("delta.layers", d.layers, m.layers);
}

void scale_delta(DeltaShape& d, const Scale& s) {
  const int ratio = d.value_heads / d.key_heads, heads = d.key_heads;
  d.key_heads = smaller("state_heads", s.state_heads, d.key_heads, s.factor);
  d.value_heads = d.key_heads * ratio;
  const double rest = std::max(1.0, s.factor * double(d.key_heads) / double(heads));
  d.key_dim = smaller("state_dim", s.state_dim, d.key_dim, rest, 2, 4);
  d.value_dim = s.state_dim ? std::min(*s.state_dim, d.value_dim) : smaller("state_dim", {}, d.value_dim, rest, 2, 4);
}
}  // namespace moesim::spec
