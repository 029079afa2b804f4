// Kimi Delta Attention: nothing is cached of a token; a request keeps a matrix a head and the last inputs of three
// short convolutions.  Source: Kimi Linear, arXiv 2510.26692, section 3; the publisher's modeling_kimi.py.
#include <algorithm>

#include "spec/check_model.h"
#include "spec/scale_steps.h"
#include "spec/state_rules.h"

namespace moesim::spec {
namespace {
class KimiRules final : public StateRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    checks.fail("attention.kind", "{} is what the layers of `kimi` have; expected MHA, GQA or MLA for the others",
                name_of(a.kind));
  }

  // Queries, keys, values; the decays through a narrow product, the steps, and what gates the output; then the
  // convolutions, the decays' rates and biases, and the norm of a head's output.
  std::vector<AttentionWeight> weights(const Model& m) const override {
    const KimiShape& k = *m.kimi;
    std::vector<AttentionWeight> out = {
        {k.channels(), m.hidden}, {k.dim, m.hidden}, {k.width(), k.dim}, {k.heads, m.hidden}};
    if (k.full_gate) {
      out.push_back({k.width(), m.hidden});
    } else {
      out.push_back({k.dim, m.hidden});
      out.push_back({k.width(), k.dim});
    }
    for (const std::int64_t vector :
         {k.channels() * k.convolution, std::int64_t{k.heads}, k.width(), std::int64_t{k.dim}})
      out.push_back({1, vector, false});
    return out;
  }
  std::int64_t output_width(const Model& m) const override { return m.kimi->width(); }

  // The matrices in FP32, as publishers' kernels keep them whatever the cache is in; the convolutions' inputs in BF16.
  Bytes state_bytes(const Model& m) const override {
    return {4 * m.kimi->state() + 2 * m.kimi->channels() * (m.kimi->convolution - 1)};
  }
  // Each matrix decays (1), gives what it says of the key (2), is corrected (2) and asked (2).
  double state_flops(const Model& m) const override { return 7 * double(m.kimi->state()); }
};
}  // namespace

const AttentionRules& kimi_rules() {
  static const KimiRules rules;
  return rules;
}

void check_kimi(const Model& m, const FieldChecks& checks) {
  constexpr int kMostConvolution = 1000;
  const KimiShape& k = *m.kimi;
  checks.count("kimi.heads", k.heads, kMostWidth);
  checks.count("kimi.dim", k.dim, kMostWidth / k.heads);
  checks.count("kimi.convolution", k.convolution, kMostConvolution);
  if (k.layers.empty()) checks.fail("kimi.layers", "names no layer; leave `kimi` out");
  checks.ascending("kimi.layers", k.layers, m.layers);
  for (const int layer : k.layers)
    if ((m.delta && std::ranges::binary_search(m.delta->layers, layer)) ||
        (m.mamba && std::ranges::binary_search(m.mamba->layers, layer)))
      checks.fail("kimi.layers", "layer {} keeps another state", layer);
}

void scale_kimi(KimiShape& k, const Scale& s) {
  const int heads = k.heads;
  k.heads = smaller("state_heads", s.state_heads, k.heads, s.factor);
  const double rest = std::max(1.0, s.factor * double(k.heads) / double(heads));
  k.dim = smaller("state_dim", s.state_dim, k.dim, rest, 2, 4);
}
}  // namespace moesim::spec
