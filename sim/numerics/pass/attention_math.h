// What each kind of attention computes.  A file a kind: attention_gqa.cpp (MHA, GQA), attention_mla.cpp,
// attention_dsa.cpp, attention_delta.cpp (gated DeltaNet), attention_mamba.cpp (Mamba-2).
#pragma once
#include <span>

#include "numerics/pass/attention.h"

namespace moesim::numerics {

class AttentionMath {
 public:
  virtual ~AttentionMath() = default;
  /// As attention(), up to the output projection: heads_out (rows, heads * v_head_dim), or as wide as
  /// the layer's output projection reads.
  virtual void run(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope& rope,
                   MlaForm form, std::span<const Segment> segments, const Matrix& h, Matrix& heads_out) const = 0;
  /// What the softmax scale is multiplied by beside head_dim^-0.5.
  virtual double softmax_factor(const spec::Model& model) const = 0;
};
const AttentionMath& math_of(spec::AttentionKind kind);

// One a file; for math_of().
const AttentionMath& grouped_math();
const AttentionMath& latent_math();
const AttentionMath& sparse_math();
const AttentionMath& delta_math();
const AttentionMath& mamba_math();
}  // namespace moesim::numerics
