#include "numerics/pass/attention.h"

#include "numerics/pass/attention_math.h"

namespace moesim::numerics {
const AttentionMath& math_of(spec::AttentionKind kind) {
  switch (kind) {
    case spec::AttentionKind::mha:
    case spec::AttentionKind::gqa:
      return grouped_math();
    case spec::AttentionKind::mla:
      return latent_math();
    case spec::AttentionKind::dsa:
      return sparse_math();
    case spec::AttentionKind::gated_delta:
      return delta_math();
    case spec::AttentionKind::mamba2:
      return mamba_math();
    case spec::AttentionKind::kimi_delta:
    case spec::AttentionKind::block_sparse:
    case spec::AttentionKind::windowed:
    case spec::AttentionKind::factored:
    case spec::AttentionKind::compressed:  // numerics/compressed/
    case spec::AttentionKind::none:
      break;
  }
  throw std::logic_error("a kind of attention that nobody computes");
}

void attention(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope& rope,
               MlaForm form, std::span<const Segment> segments, const Matrix& h, Matrix& out) {
  Matrix heads_out;
  const spec::AttentionKind kind = spec::layer_shape(model, layer).attention.kind;
  math_of(kind).run(machine, model, layer, w, rope, form, segments, h, heads_out);
  linear(machine, heads_out.view(), w.output, LinearRole::attention, out);
}
}  // namespace moesim::numerics
