// Mamba-2, and layers that look back on nothing: what both are as kinds of attention.
// Source: arXiv 2405.21060; NVIDIA's modeling_nemotron_h.py.
#include <algorithm>

#include "spec/check_model.h"
#include "spec/scale_steps.h"
#include "spec/state_rules.h"

namespace moesim::spec {
namespace {
class NoRules : public StateRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    checks.fail("attention.kind", "{} is of layers of their own; expected MHA, GQA or MLA", name_of(a.kind));
  }
  std::vector<AttentionWeight> weights(const Model&) const override { return {}; }
  std::int64_t output_width(const Model&) const override { return 0; }
};

class MambaRules final : public NoRules {
 public:
  // The input projection; then the convolution, whose gradient is no product, decay, skip and step of a head, the norm.
  std::vector<AttentionWeight> weights(const Model& m) const override {
    const MambaShape& s = *m.mamba;
    std::vector<AttentionWeight> out = {{s.projected(), m.hidden}, {1, s.channels() * s.convolution, false}};
    if (s.convolution_bias) out.push_back({1, s.channels(), false});
    out.insert(out.end(), {{1, 3 * std::int64_t{s.heads}, false}, {1, s.inner(), false}});
    return out;
  }
  std::int64_t output_width(const Model& m) const override { return m.mamba->inner(); }
  // States in FP32, the convolution's inputs in BF16.
  Bytes state_bytes(const Model& m) const override {
    return {4 * m.mamba->states() + 2 * m.mamba->channels() * (m.mamba->convolution - 1)};
  }
  // A state decays (1), takes in a token (2) and is asked (2).
  double state_flops(const Model& m) const override { return 5 * double(m.mamba->states()); }
};
}  // namespace

const AttentionRules& no_rules() {
  static const NoRules rules;
  return rules;
}
const AttentionRules& mamba_rules() {
  static const MambaRules rules;
  return rules;
}

void check_mamba(const Model& m, const FieldChecks& checks) {
  constexpr int kMostConvolution = 1000;
  const MambaShape& s = *m.mamba;
  checks.count("mamba.heads", s.heads, kMostWidth);
  checks.count("mamba.head_dim", s.head_dim, kMostWidth / s.heads);
  checks.count("mamba.groups", s.groups, kMostWidth);
  checks.count("mamba.state", s.state, kMostWidth / s.groups);
  checks.count("mamba.convolution", s.convolution, kMostConvolution);
  if (s.heads % s.groups != 0) checks.fail("mamba.groups", "must divide the {} heads, got {}", s.heads, s.groups);
  if (s.layers.empty()) checks.fail("mamba.layers", "names no layer; leave `mamba` out");
  checks.ascending("mamba.layers", s.layers, m.layers);
}

void scale_mamba(MambaShape& m, const Scale& s) {
  const int ratio = m.heads / m.groups, groups = m.groups;
  m.groups = smaller("state_heads", s.state_heads, m.groups, s.factor);
  m.heads = m.groups * ratio;
  const double rest = std::max(1.0, s.factor * double(m.groups) / double(groups));
  m.head_dim = smaller("state_dim", s.state_dim, m.head_dim, rest, 2, 4);
  m.state = s.state_dim ? std::min(*s.state_dim, m.state) : smaller("state_dim", {}, m.state, rest, 2, 4);
}
}  // namespace moesim::spec
