#include "compute/kernels/equation_model.h"

#include <algorithm>

#include "spec/arithmetic.h"

namespace moesim::compute {
namespace {
double outside(double value, double low, double high) {
  return std::max({1.0, value / std::max(high, 1e-9), low / std::max(value, 1e-9)});
}
Equations::Reach reach_of(const FittedRange& r, double m, double n, double k) {
  if (r.m_max <= 0) return {};
  double beyond = outside(m, r.m_min, r.m_max);
  if (r.n_max > 0) beyond = std::max(beyond, outside(n, r.n_min, r.n_max));
  if (r.k_max > 0) beyond = std::max(beyond, outside(k, r.k_min, r.k_max));
  return {true, beyond};
}
// The other kinds' rates are assumed to be like those of kinds with one.
bool has_published_rate(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::transpose:
    case MemoryKind::swiglu_backward:
    case MemoryKind::rope:
    case MemoryKind::add:
    case MemoryKind::optimizer:
      return false;
    default:
      return true;
  }
}
Equations::Reach reach_of(const FittedRange& r, const AttentionHeads& h, const AttentionWork& w) {
  return reach_of(r, double(w.queries), h.heads, double(w.keys) / double(w.sequences));
}
// A few rows against widened weights: blocks of one multiplication of the tensor cores, smaller than a tile of 64 rows
// (Marlin's MoE kernel, vLLM, takes blocks of 8 to 64).
GroupedGemm in_small_blocks(GroupedGemm g) {
  GroupRows rows = group_rows(g);
  rows.tiles64 = (rows.blocks16 * 16 + 63) / 64;
  g.counted = rows;
  return g;
}
}  // namespace

Equations::Equations(const spec::Gpu& gpu, Calibration calibration, double clock)
    : gpu_(gpu), calibration_(std::move(calibration)), clock_(clock) {}

Machine Equations::machine(spec::Dtype dtype, GpuShare share) const {
  const double sms = share.sms > 0 ? share.sms : gpu_.sms, fill = sms / gpu_.sms;
  const double hbm = gpu_.memory_bandwidth.v;
  return {.sms = sms,
          .tensor_per_sm = spec::peak_of(gpu_, dtype).v * clock_ / gpu_.sms,
          .hbm = hbm * std::min(share.memory, fill * calibration_.sm_bandwidth),
          .hbm_of_gpu = hbm,
          .fill = fill,
          .boost = clock_ / calibration_.sustained_clock,
          .gap = moesim::seconds(calibration_.gap)};
}

double Equations::seconds(const Kernel& kernel, GpuShare share) const {
  const Calibration& c = calibration_;
  struct Visit {
    const Equations& self;
    const Calibration& c;
    GpuShare share;
    double operator()(const Gemm& g) const { return gemm_seconds(g, c.gemm, self.machine(g.dtype, share)); }
    double operator()(const GroupedGemm& g) const {
      const GemmEquation& e = g.layout == GroupLayout::masked ? c.masked : c.contiguous;
      return grouped_seconds(g.weights ? in_small_blocks(g) : g, e, self.machine(g.dtype, share));
    }
    double operator()(const AttentionPrefill& a) const {
      return prefill_seconds(a, c.prefill, self.machine(a.dtype, share));
    }
    double operator()(const AttentionBackward& a) const {
      return backward_seconds(a, c.backward, c.memory, self.machine(a.dtype, share));
    }
    double operator()(const AttentionDecode& a) const {
      return decode_seconds(a, c.decode, self.machine(a.dtype, share));
    }
    double operator()(const MemoryOp& m) const {
      return memory_seconds(m, c.memory, self.machine(spec::Dtype::bf16, share));
    }
    double operator()(const SmallChain& s) const { return chain_seconds(s, c.memory); }
  };
  const bool chain = std::holds_alternative<SmallChain>(kernel);  // its gaps are part of its kernels' times
  return std::visit(Visit{*this, c, share}, kernel) + (chain ? 0 : moesim::seconds(c.gap));
}

Equations::Reach Equations::reach(const Kernel& kernel) const {
  const Calibration& c = calibration_;
  struct Visit {
    const Calibration& c;
    Reach operator()(const Gemm& g) const {
      if (g.dtype != spec::Dtype::fp8) return lent(c.gemm.fitted, Lender::fp8_products);
      return reach_of(c.gemm.fitted, double(g.m), double(g.n), double(g.k));
    }
    Reach operator()(const GroupedGemm& g) const {
      const FittedRange& r = g.layout == GroupLayout::masked ? c.masked.fitted : c.contiguous.fitted;
      if (g.dtype != spec::Dtype::fp8) return lent(r, Lender::fp8_products);
      const GroupRows rows = group_rows(g);
      return reach_of(r, double(rows.rows) / double(std::max<std::int64_t>(rows.used, 1)), double(g.n), double(g.k));
    }
    Reach operator()(const AttentionPrefill& a) const {
      return expanded(a.heads) ? reach_of(c.prefill.fitted, a.heads, a.work)
                               : lent(c.prefill.fitted, Lender::latent_attention);
    }
    Reach operator()(const AttentionBackward& a) const {
      return expanded(a.heads) ? reach_of(c.backward.fitted, a.heads, a.work)
                               : lent(c.backward.fitted, Lender::latent_attention);
    }
    Reach operator()(const AttentionDecode& a) const {
      return a.heads.absorbed && a.cache == spec::Dtype::bf16 ? reach_of(c.decode.fitted, a.heads, a.work)
                                                              : lent(c.decode.fitted, Lender::latent_attention);
    }
    Reach operator()(const MemoryOp& m) const {
      return has_published_rate(m.kind) ? reach_of(c.memory.fitted, double(m.bytes.v), 0, 0)
                                        : lent(c.memory.fitted, Lender::other_moves);
    }
    Reach operator()(const SmallChain&) const { return {c.memory.fitted.m_max > 0, 1}; }

    static bool expanded(const AttentionHeads& h) { return h.kind == spec::AttentionKind::mla && !h.absorbed; }
    static Reach lent(const FittedRange& r, Lender lender) { return {false, 1, r.m_max > 0 ? lender : Lender::none}; }
  };
  return std::visit(Visit{c}, kernel);
}
}  // namespace moesim::compute
