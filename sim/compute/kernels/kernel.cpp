#include "compute/kernels/kernel.h"

#include <fmt/format.h>

#include "core/ceil_div.h"

namespace moesim::compute {
namespace {
std::int64_t plain_bytes(std::int64_t elements, spec::Dtype dtype) {
  return ceil_div(elements * spec::element_bits(dtype), 8);
}

struct CountFlops {
  Flops operator()(const Gemm& g) const { return {2.0 * double(g.batch) * double(g.m) * double(g.n) * double(g.k)}; }
  Flops operator()(const GroupedGemm& g) const {
    return {2.0 * double(group_rows(g).rows) * double(g.n) * double(g.k)};
  }
  Flops operator()(const AttentionPrefill& a) const { return score_and_value(a.heads, a.work); }
  Flops operator()(const AttentionDecode& a) const { return score_and_value(a.heads, a.work); }
  // dQ, dK and the scores again on qk_dim; dV and dP on v_dim.
  Flops operator()(const AttentionBackward& a) const {
    return {2.0 * a.heads.heads * a.work.pairs * (3.0 * a.heads.qk_dim + 2.0 * a.heads.v_dim)};
  }
  Flops operator()(const MemoryOp&) const { return {}; }
  Flops operator()(const SmallChain&) const { return {}; }
  Flops operator()(const IndexScores& x) const { return {2.0 * x.heads * x.dim * x.work.pairs}; }
  Flops operator()(const IndexTopK&) const { return {}; }
  Flops operator()(const SparsePrefill& a) const { return score_and_value(a.heads, a.work); }
  Flops operator()(const ShortConvolution&) const { return {}; }  // its taps are counted as parameters
  Flops operator()(const StateScan& s) const { return {compute::flops_of(s)}; }
  Flops operator()(const StreamMix&) const { return {}; }  // counted as parameters

  static Flops score_and_value(const AttentionHeads& h, const AttentionWork& w) {
    return {2.0 * h.heads * w.pairs * double(h.qk_dim + h.v_dim)};
  }
};

struct CountBytes {
  Bytes operator()(const Gemm& g) const {
    if (g.fp32_accumulate)
      return g.batch * (operand_bytes(g.m * g.k, g.dtype, g.scales) + operand_bytes(g.n * g.k, g.dtype, g.scales) +
                        Bytes{8 * g.m * g.n});
    return g.batch * (operand_bytes(g.m * g.k, g.dtype, g.scales) +
                      weight_bytes(g.n, g.k, g.weights.value_or(g.dtype)) + tensor_bytes(g.m * g.n, g.out));
  }
  Bytes operator()(const GroupedGemm& g) const {
    const GroupRows counted = group_rows(g);
    const std::int64_t rows = counted.rows, used = counted.used;
    if (g.weight_gradient)
      return operand_bytes(rows * g.n, g.dtype, g.scales) + operand_bytes(rows * g.k, g.dtype, g.scales) +
             Bytes{8 * used * g.n * g.k};
    return operand_bytes(rows * g.k, g.dtype, g.scales) + used * weight_bytes(g.n, g.k, g.weights.value_or(g.dtype)) +
           tensor_bytes(rows * g.n, g.out);
  }
  Bytes operator()(const AttentionPrefill& a) const {
    return tensor_bytes(a.work.queries * a.heads.heads * (a.heads.qk_dim + a.heads.v_dim), spec::Dtype::bf16) +
           tensor_bytes(a.work.keys * a.heads.kv_heads * (a.heads.qk_dim + a.heads.v_dim), a.dtype);
  }
  // Q, O, dO and K, V in; dQ, dK, dV out; one FP32 logarithm of the softmax sum a query and head.
  Bytes operator()(const AttentionBackward& a) const {
    const std::int64_t q = a.work.queries * a.heads.heads, k = a.work.keys * a.heads.kv_heads;
    return tensor_bytes(q * (2 * a.heads.qk_dim + 2 * a.heads.v_dim) + 2 * k * (a.heads.qk_dim + a.heads.v_dim),
                        spec::Dtype::bf16) +
           Bytes{4 * q};
  }
  Bytes operator()(const AttentionDecode& a) const {
    return tensor_bytes(a.work.queries * a.heads.heads * (a.heads.qk_dim + a.heads.v_dim), spec::Dtype::bf16) +
           a.work.keys * cached_token_bytes(a.heads, a.cache);
  }
  Bytes operator()(const MemoryOp& m) const { return m.bytes; }
  Bytes operator()(const SmallChain&) const { return {}; }
  // Queries with a weight a head, keys with their scales; scores out.
  Bytes operator()(const IndexScores& x) const {
    if (x.block > 0)
      return tensor_bytes((x.work.queries * x.heads + x.work.keys) * x.dim, x.dtype()) +
             Bytes{std::int64_t(8 * x.work.pairs * x.heads / x.block)};  // written, and read to choose
    return tensor_bytes(x.work.queries * x.heads * x.dim, spec::Dtype::fp8) + Bytes{4 * x.work.queries * x.heads} +
           tensor_bytes(x.work.keys * x.dim, spec::Dtype::fp8) + Bytes{std::int64_t(4 * x.work.pairs)};
  }
  // Rows that are picked whole need no score; 32-bit positions out.
  Bytes operator()(const IndexTopK& t) const { return {std::int64_t(4 * t.scores) + 4 * t.rows * t.picks}; }
  // What several queries pick is read once at least.
  Bytes operator()(const SparsePrefill& a) const {
    return tensor_bytes(a.work.queries * a.heads.heads * (a.heads.qk_dim + a.heads.v_dim), spec::Dtype::bf16) +
           a.work.keys * cached_token_bytes(a.heads, a.cache);
  }
  Bytes operator()(const ShortConvolution& c) const { return compute::bytes_of(c); }
  Bytes operator()(const StateScan& s) const { return compute::bytes_of(s); }
  // In: all streams, one input out; out: streams and a result in, streams out.  Backward: gradients of what was written
  // and what was read again, gradients of that out.
  Bytes operator()(const StreamMix& m) const {
    const std::int64_t n = m.streams;
    // Backward in two kernels each, as Megatron-LM's (fused_mhc_kernels.py): out, the gradients of the result and of
    // the streams, then those of the weights from the same gradient, the result and the streams; in, those of the
    // streams and their weights through the sum, then through the product that gave the weights.
    const std::int64_t back = m.out ? 4 * n + 2 : 4 * n + 1;
    return {2 * m.rows * m.hidden * (m.backward ? back : m.out ? 2 * n + 1 : n + 1)};
  }
};

std::string heads_in_words(const AttentionHeads& h) {
  const bool latent = h.absorbed && h.kind != spec::AttentionKind::compressed;
  return fmt::format("{} {} heads {}/{}", h.heads, latent ? "absorbed MLA" : name_of(h.kind), h.qk_dim, h.v_dim);
}

struct Describe {
  std::string operator()(const Gemm& g) const {
    const std::string batch = g.batch > 1 ? fmt::format("{} x ", g.batch) : "";
    return fmt::format("gemm {}{} x {} x {} {}{}{}{}", batch, g.m, g.n, g.k, name_of(g.dtype), stored(g.weights),
                       scaled(g.scales), g.fp32_accumulate ? " into fp32" : "");
  }
  std::string operator()(const GroupedGemm& g) const {
    return fmt::format("grouped gemm {} experts, {} rows x {} x {} {}{} {}{}", g.rows.size(), group_rows(g).rows, g.n,
                       g.k, name_of(g.dtype), stored(g.weights), name_of(g.layout),
                       g.weight_gradient ? " into fp32" : "");
  }
  std::string operator()(const AttentionPrefill& a) const { return attention("prefill", a.heads, a.work, a.dtype); }
  std::string operator()(const AttentionBackward& a) const { return attention("backward", a.heads, a.work, a.dtype); }
  std::string operator()(const AttentionDecode& a) const { return attention("decode", a.heads, a.work, a.cache); }
  std::string operator()(const MemoryOp& m) const { return fmt::format("{} {}", name_of(m.kind), to_text(m.bytes)); }
  std::string operator()(const SmallChain& s) const {
    return fmt::format("{} small kernels{}", s.count, s.graph ? " in a graph" : "");
  }
  std::string operator()(const IndexScores& x) const {
    return fmt::format("{} scores {} heads of {}, {:.3g} pairs{}", x.block > 0 ? "block" : "index", x.heads, x.dim,
                       x.work.pairs, x.paged ? " of a cache" : "");
  }
  std::string operator()(const IndexTopK& t) const {
    return fmt::format("top {} of {:.3g} scores in {} rows", t.picks, t.scores, t.rows);
  }
  std::string operator()(const SparsePrefill& a) const { return attention("sparse prefill", a.heads, a.work, a.cache); }

  std::string operator()(const ShortConvolution& c) const { return compute::describe(c); }
  std::string operator()(const StateScan& s) const { return compute::describe(s); }
  std::string operator()(const StreamMix& m) const {
    return fmt::format("{} streams of {} {}{}, {} rows", m.streams, m.hidden, m.out ? "out" : "in",
                       m.backward ? " backward" : "", m.rows);
  }

  static std::string_view scaled(Scales scales) {
    switch (scales) {
      case Scales::blocks:
        return "";
      case Scales::tokens:
        return " scaled by token";
      case Scales::tensor:
        return " scaled by tensor";
      case Scales::promoted:
        return " scaled by tensor, promoted";
      case Scales::groups:
        return " scaled by group";
    }
    return "";
  }
  static std::string stored(const std::optional<spec::Dtype>& weights) {
    return weights ? fmt::format(" of {} weights", name_of(*weights)) : "";
  }
  static std::string attention(std::string_view what, const AttentionHeads& h, const AttentionWork& w,
                               spec::Dtype dtype) {
    return fmt::format("attention {} {}, {} sequences, {} queries, {} keys {}", what, heads_in_words(h), w.sequences,
                       w.queries, w.keys, name_of(dtype));
  }
};
}  // namespace

// Rows are counted millions of times a run; unsigned arithmetic without branches lets the compiler count two at once.
template <bool kBlocks>
[[gnu::optimize("O3")]] static GroupRows count(std::span<const std::int64_t> rows) {
  constexpr std::uint64_t kMost = 0x7fff'ffff'ffff'ffff;
  std::uint64_t sum = 0, used = 0, tiles64 = 0, tiles128 = 0, blocks16 = 0, signs = 0;
  for (const std::int64_t signed_rows : rows) {
    const auto r = std::uint64_t(signed_rows);
    sum += r;
    used += (r + kMost) >> 63;
    tiles64 += (r + 63) >> 6;
    tiles128 += (r + 127) >> 7;
    if constexpr (kBlocks) blocks16 += (r + 15) >> 4;
    signs |= r;
  }
  return {std::int64_t(sum),      std::int64_t(used),     std::int64_t(tiles64),
          std::int64_t(tiles128), std::int64_t(blocks16), signs > kMost};
}

GroupRows group_rows(std::span<const std::int64_t> rows, bool with_blocks) {
  return with_blocks ? count<true>(rows) : count<false>(rows);
}

Bytes tensor_bytes(std::int64_t elements, spec::Dtype dtype) {
  if (dtype == spec::Dtype::fp8) return {elements + 4 * ceil_div(elements, 128)};
  if (dtype == spec::Dtype::fp4) return {ceil_div(elements, 2) + ceil_div(elements, 32)};
  if (dtype == spec::Dtype::nvfp4) return {ceil_div(elements, 2) + ceil_div(elements, 16)};
  return {plain_bytes(elements, dtype)};
}

Bytes operand_bytes(std::int64_t elements, spec::Dtype dtype, Scales scales) {
  const bool one = scales == Scales::tensor || scales == Scales::promoted;
  return one && dtype == spec::Dtype::fp8 ? Bytes{elements} : tensor_bytes(elements, dtype);
}

Bytes weight_bytes(std::int64_t n, std::int64_t k, spec::Dtype dtype) { return {spec::matrix_bytes(n, k, dtype)}; }

// MLA's latent cache: 512 compressed values and 64 rotary ones a token.  In fp8 the first get four FP32 scales and the
// second stay BF16: 512 + 16 + 128 = 656 bytes (FlashMLA).  DeepSeek-V4's
// head of 512 has 64 rotary columns among them, and 8 bytes of exponents: 584.
Bytes cached_token_bytes(const AttentionHeads& h, spec::Dtype cache) {
  if (!h.absorbed) return {plain_bytes(std::int64_t(h.kv_heads) * (h.qk_dim + h.v_dim), cache)};
  if (cache == spec::Dtype::fp8 && h.rotated > 0) return {std::int64_t{h.v_dim} + h.rotated + 8};
  if (cache == spec::Dtype::fp8) return tensor_bytes(h.v_dim, cache) + Bytes{2 * (h.qk_dim - h.v_dim)};
  return {plain_bytes(h.qk_dim, cache)};
}

Flops flops_of(const Kernel& kernel) { return std::visit(CountFlops{}, kernel); }
Bytes bytes_of(const Kernel& kernel) { return std::visit(CountBytes{}, kernel); }
std::string describe(const Kernel& kernel) { return std::visit(Describe{}, kernel); }
}  // namespace moesim::compute
