#include "compute/kernels/choice.h"

namespace moesim::compute {
namespace {
template <class E>
Chosen<E> own_or(const std::optional<E>& own, const E& other, Lender lender) {
  return own ? Chosen<E>{*own} : Chosen<E>{other, lender};
}
bool expanded(const AttentionHeads& h) { return h.kind == spec::AttentionKind::mla && !h.absorbed; }
}  // namespace

Chosen<GemmEquation> choose(const Calibration& c, const Gemm& g, ProductLibrary library) {
  switch (g.dtype) {
    case spec::Dtype::fp8:
      if (g.scales == Scales::tokens) return own_or(c.gemm_tokens, c.gemm, Lender::fp8_products);
      // A generation's own measurements of another year are nearer than another generation's of the same.
      if (library == ProductLibrary::deep_gemm_2026 && c.gemm_2026 && c.gemm_2026->borrowed == c.gemm.borrowed)
        return {*c.gemm_2026};
      return {c.gemm};
    case spec::Dtype::fp4:
    case spec::Dtype::nvfp4:
      return own_or(c.gemm_fp4, c.gemm, Lender::fp8_products);
    case spec::Dtype::bf16:
    case spec::Dtype::fp16:
    case spec::Dtype::fp32:
    case spec::Dtype::int8:  // formats of weights alone: multiplied in 16 bits
    case spec::Dtype::int4:
    case spec::Dtype::int4_g32:
      break;
  }
  return own_or(c.gemm_bf16, c.gemm, Lender::fp8_products);
}

Chosen<GemmEquation> choose(const Calibration& c, const GroupedGemm& g) {
  const GemmEquation& e = g.layout == GroupLayout::masked ? c.masked : c.contiguous;
  return {e, g.dtype == spec::Dtype::fp8 ? Lender::none : Lender::fp8_products};
}

Chosen<AttentionEquation> choose(const Calibration& c, const AttentionPrefill& a) {
  const bool fp8 = a.dtype == spec::Dtype::fp8;
  if (expanded(a.heads)) {
    if (fp8) return own_or(c.prefill_latent_fp8, c.prefill, Lender::latent_attention);
    return {c.prefill};
  }
  if (a.heads.absorbed) return {c.prefill, Lender::latent_attention};
  const auto heads = own_or(c.prefill_heads, c.prefill, Lender::latent_attention);
  return fp8 ? own_or(c.prefill_heads_fp8, heads.equation, Lender::latent_attention) : heads;
}

Chosen<AttentionEquation> choose(const Calibration& c, const AttentionBackward& a) {
  return {c.backward, expanded(a.heads) ? Lender::none : Lender::latent_attention};
}

Chosen<AttentionEquation> choose(const Calibration& c, const AttentionDecode& a) {
  const bool fp8 = a.cache == spec::Dtype::fp8;
  if (a.heads.absorbed) {
    if (fp8) return own_or(c.decode_latent_fp8, c.decode, Lender::latent_attention);
    return {c.decode};
  }
  const auto heads = own_or(c.decode_heads, c.decode, Lender::latent_attention);
  return fp8 ? own_or(c.decode_heads_fp8, heads.equation, Lender::latent_attention) : heads;
}
}  // namespace moesim::compute
