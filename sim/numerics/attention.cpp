#include "numerics/attention.h"

#include "numerics/attention_math.h"

namespace moesim {
const AttentionMath& math_of(AttentionKind kind) {
  switch (kind) {
    case AttentionKind::mha:
    case AttentionKind::gqa:
      return grouped_math();
    case AttentionKind::mla:
      return latent_math();
  }
  throw std::logic_error("a kind of attention that nobody computes");
}

void attention(const Machine& machine, const Model& model, int layer, const LayerWeights& w, const Rope& rope,
               MlaForm form, std::span<const Segment> segments, const Matrix& h, Matrix& out) {
  Matrix heads_out;
  const AttentionKind kind = layer_shape(model, layer).attention.kind;
  math_of(kind).run(machine, model, layer, w, rope, form, segments, h, heads_out);
  linear(machine, heads_out.view(), w.output, LinearRole::attention, out);
}
}  // namespace moesim
