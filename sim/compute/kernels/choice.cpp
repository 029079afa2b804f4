#include "compute/kernels/choice.h"

#include <algorithm>

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
      if (g.scales == Scales::tokens || g.scales == Scales::tensor)
        return own_or(c.gemm_tokens, c.gemm, Lender::fp8_products);
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

ExpertFormat format_of(const GroupedGemm& g) {
  const spec::Dtype weights = g.weights.value_or(g.dtype);
  if (weights == spec::Dtype::int4 || weights == spec::Dtype::int4_g32 || weights == spec::Dtype::int8)
    return ExpertFormat::int4_bf16;
  switch (g.dtype) {
    case spec::Dtype::fp8:
      if (weights == spec::Dtype::fp4) return ExpertFormat::mxfp4_fp8;
      return g.scales == Scales::tokens || g.scales == Scales::tensor ? ExpertFormat::fp8 : ExpertFormat::fp8_block;
    case spec::Dtype::fp4:
    case spec::Dtype::nvfp4:
      return ExpertFormat::nvfp4;
    case spec::Dtype::bf16:
    case spec::Dtype::fp16:
    case spec::Dtype::fp32:
    case spec::Dtype::int8:
    case spec::Dtype::int4:
    case spec::Dtype::int4_g32:
      break;
  }
  return block_scaled(weights) ? ExpertFormat::mxfp4_bf16 : ExpertFormat::bf16;
}

bool has_library(const Calibration& c, ExpertLibrary library) {
  if (library == ExpertLibrary::usual) return true;
  if (library == ExpertLibrary::deep_gemm) return c.generation == "hopper" || c.generation == "blackwell";
  return std::ranges::any_of(c.experts, [&](const ExpertEquation& e) { return e.library == library; });
}

static Chosen<GemmEquation> of_deep_gemm(const Calibration& c, const GroupedGemm& g) {
  const GemmEquation& e = g.layout == GroupLayout::masked ? c.masked : c.contiguous;
  return {e, g.dtype == spec::Dtype::fp8 ? Lender::none : Lender::fp8_products};
}

/// What SGLang and vLLM run for a format where nothing else is asked for: Triton's fused layer in BF16, CUTLASS for FP8
/// by token and NVFP4, TensorRT-LLM's kernels for MXFP4 beside MXFP8.  Weights widened to 16 bits keep the products of
/// scaled blocks: the fits to what was measured (Triton, Marlin) are 15 % off at the median, and slower than 16 bits.
static ExpertLibrary usual_library(ExpertFormat format) {
  switch (format) {
    case ExpertFormat::fp8_block:
    case ExpertFormat::mxfp4_bf16:
    case ExpertFormat::int4_bf16:
      return ExpertLibrary::deep_gemm;
    case ExpertFormat::bf16:
      return ExpertLibrary::triton;
    case ExpertFormat::mxfp4_fp8:
      return ExpertLibrary::trtllm;
    case ExpertFormat::fp8:
    case ExpertFormat::nvfp4:
      break;
  }
  return ExpertLibrary::cutlass;
}

/// The first of an engine's that has kernels for the format, else what engines usually run.
static ExpertLibrary engines_library(const Calibration& c, const std::vector<ExpertLibrary>& preferred,
                                     ExpertFormat format) {
  const auto has = [&](ExpertLibrary library) {
    if (library == ExpertLibrary::deep_gemm) return format == ExpertFormat::fp8_block && has_library(c, library);
    return std::ranges::any_of(c.experts,
                               [&](const ExpertEquation& e) { return e.format == format && e.library == library; });
  };
  const auto first = std::ranges::find_if(preferred, has);
  return first != preferred.end() ? *first : usual_library(format);
}

Chosen<GemmEquation> choose(const Calibration& c, const GroupedGemm& g, const ExpertChoice& choice) {
  // What a library was not measured for takes another's efficiencies in the format, or those of scaled FP8 blocks.
  const ExpertFormat format = format_of(g);
  const ExpertLibrary library =
      choice.library == ExpertLibrary::usual ? engines_library(c, choice.preferred, format) : choice.library;
  if (library == ExpertLibrary::deep_gemm) return of_deep_gemm(c, g);
  for (const ExpertEquation& e : c.experts)
    if (e.format == format && e.library == library && (choice.kernel.empty() || e.kernel == choice.kernel))
      return {e.product};
  for (const ExpertEquation& e : c.experts)
    if (e.format == format) return {e.product};
  return of_deep_gemm(c, g);
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
  if (a.heads.kind == spec::AttentionKind::compressed && c.decode_entries) return {*c.decode_entries};
  if (a.heads.kind == spec::AttentionKind::block_sparse && c.decode_blocks) return {*c.decode_blocks};
  if (a.heads.absorbed) {
    if (fp8) return own_or(c.decode_latent_fp8, c.decode, Lender::latent_attention);
    return {c.decode};
  }
  const auto heads = own_or(c.decode_heads, c.decode, Lender::latent_attention);
  return fp8 ? own_or(c.decode_heads_fp8, heads.equation, Lender::latent_attention) : heads;
}
}  // namespace moesim::compute
