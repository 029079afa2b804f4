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
template <class E>
Equations::Reach reach_of(const Chosen<E>& chosen, double m, double n, double k) {
  const FittedRange& r = chosen.equation.fitted;
  Equations::Reach out;
  if (chosen.lender == Lender::none)
    out = reach_of(r, m, n, k);
  else
    out.lender = r.m_max > 0 ? chosen.lender : Lender::none;
  out.borrowed = chosen.equation.borrowed;
  return out;
}
Equations::Reach reach_of(const Chosen<AttentionEquation>& chosen, const AttentionHeads& h, const AttentionWork& w) {
  return reach_of(chosen, double(w.queries), h.heads, double(w.keys) / double(w.sequences));
}
// Backward nobody measured it.
Equations::Reach reach_of(const StreamMix& m, const StateEquation& e) {
  if (m.backward) return {};
  return reach_of(Chosen<StateEquation>{e}, double(m.rows), double(m.hidden), 0);
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
Equations::Reach reach_of_move(const Calibration& c, const MemoryOp& m) {
  if (m.serving)
    return reach_of(
        Chosen<ServingMoves>{c.serving_moves, m.kind == MemoryKind::cast ? Lender::none : Lender::other_moves},
        double(m.bytes.v), 0, 0);
  return reach_of(Chosen<MemoryEquation>{c.memory, has_published_rate(m.kind) ? Lender::none : Lender::other_moves},
                  double(m.bytes.v), 0, 0);
}
// A few rows against widened weights: blocks of one multiplication of the tensor cores, smaller than a tile of 64 rows
// (Marlin's MoE kernel, vLLM, takes blocks of 8 to 64).
GroupedGemm in_small_blocks(GroupedGemm g) {
  GroupRows rows = group_rows(g);
  rows.tiles64 = (rows.blocks16 * 16 + 63) / 64;
  g.counted = rows;
  return g;
}

bool measured_back(const AttentionBackward& a, const SparseEquation& e) { return a.picks > 0 && e.back_tensor > 0; }
// A kernel for picked keys may walk empty picks too.
AttentionDecode walked(AttentionDecode a, const SparseEquation& e) {
  if (a.picks == 0 || a.cache != spec::Dtype::fp8 || !e.fp8_whole) return a;
  a.work.keys = std::max(a.work.keys, a.work.sequences * a.picks);
  a.work.longest = std::max(a.work.longest, std::int64_t{a.picks});
  return a;
}
}  // namespace

Equations::Equations(const spec::Gpu& gpu, Calibration calibration, Heat heat, ProductLibrary library,
                     ExpertChoice experts)
    : gpu_(gpu), calibration_(std::move(calibration)), heat_(heat), library_(library), experts_(std::move(experts)) {}

ScanLibrary Equations::scan_library() const { return scans_ == ScanLibrary::usual ? preferred_scans_ : scans_; }

const ScanEquation& Equations::scan_equation(Recurrence kind) const {
  if (kind == Recurrence::kimi_delta)
    return scan_library() == ScanLibrary::flashinfer && calibration_.kda_scan_flash ? *calibration_.kda_scan_flash
                                                                                    : calibration_.kda_scan;
  if (scan_library() == ScanLibrary::flashinfer && calibration_.scan_flashinfer) return *calibration_.scan_flashinfer;
  return calibration_.scan;
}

const StateEquation& Equations::recurrence_equation(const StateScan& s) const {
  const Calibration& c = calibration_;
  if (s.kind != Recurrence::kimi_delta) return c.recurrence;
  return s.taps > 0 ? of_vllm(c.kda_decode_vllm, c.kda_decode) : of_vllm(c.kda_recurrence_vllm, c.kda_recurrence);
}

const SparseEquation& Equations::sparse_equation(int entry) const {
  return entry > 1 && calibration_.entries ? *calibration_.entries : calibration_.sparse;
}
const SparseEquation& Equations::sparse_equation(const IndexScores& x) const {
  return x.block > 0 && calibration_.blocks ? *calibration_.blocks : sparse_equation(x.entry);
}
const SparseEquation& Equations::sparse_equation(const AttentionHeads& heads) const {
  if (heads.kind == spec::AttentionKind::block_sparse && calibration_.blocks) return *calibration_.blocks;
  return sparse_equation(heads.kind == spec::AttentionKind::compressed ? 2 : 1);
}

const StateEquation& Equations::streams_equation(bool out) const {
  const auto& trtllm = out ? calibration_.streams_out_trtllm : calibration_.streams_in_trtllm;
  if (scan_library() == ScanLibrary::trtllm && trtllm) return *trtllm;
  return out ? calibration_.streams_out : calibration_.streams_in;
}

const StateEquation& Equations::of_vllm(const std::optional<StateEquation>& vllm, const StateEquation& usual) const {
  return scan_library() == ScanLibrary::flashinfer && vllm ? *vllm : usual;
}

bool Equations::block_convolution(const ShortConvolution& c) const {
  return !c.decode && c.of != Recurrence::kimi_delta && scan_library() == ScanLibrary::trtllm &&
         calibration_.convolution_trtllm;
}

const StateEquation& Equations::convolution_equation(const ShortConvolution& c) const {
  if (c.of == Recurrence::kimi_delta)
    return c.decode ? of_vllm(calibration_.kda_update_vllm, calibration_.kda_update) : calibration_.kda_convolution;
  if (!c.decode) return calibration_.convolution;
  if (scan_library() == ScanLibrary::trtllm && calibration_.convolution_update_trtllm)
    return *calibration_.convolution_update_trtllm;
  return calibration_.convolution_update;
}

Machine Equations::machine(spec::Dtype dtype, GpuShare share, double clock) const {
  const double sms = share.sms > 0 ? share.sms : gpu_.sms, fill = sms / gpu_.sms;
  const double hbm = gpu_.memory_bandwidth.v;
  const double throttled = gpu_.sustained_clock > 0 ? gpu_.sustained_clock : calibration_.sustained_clock;
  const double sustained = clock > 0 && gpu_.sustained_clock <= 0 ? clock : throttled;
  const double now = heat_ == Heat::brief ? 1 : sustained;
  return {.sms = sms,
          .tensor_per_sm = spec::peak_of(gpu_, dtype).v * now / gpu_.sms,
          .hbm = hbm * std::min(share.memory, fill * calibration_.sm_bandwidth),
          .hbm_per_sm = hbm * share.memory / gpu_.sms,
          .hbm_of_gpu = hbm,
          .fill = fill,
          .clock = now,
          .boost = (heat_ == Heat::brief ? 1 : throttled) / calibration_.sustained_clock,
          .gap = moesim::seconds(calibration_.gap),
          .l2 = double(gpu_.l2.v)};
}

double Equations::seconds(const Kernel& kernel, GpuShare share) const {
  const Calibration& c = calibration_;
  struct Visit {
    const Equations& self;
    const Calibration& c;
    GpuShare share;
    Machine on(spec::Dtype dtype, double clock) const { return self.machine(dtype, share, clock); }
    double operator()(const Gemm& g) const {
      const GemmEquation& e = choose(c, g, self.library_).equation;
      return gemm_seconds(g, e, on(g.dtype, e.sustained));
    }
    double operator()(const GroupedGemm& g) const {
      const GemmEquation& e = choose(c, g, self.experts_).equation;
      return grouped_seconds(g.weights && e.padding < 0 ? in_small_blocks(g) : g, e, on(g.dtype, e.sustained));
    }
    double operator()(const AttentionPrefill& a) const {
      const AttentionEquation& e = choose(c, a).equation;
      return prefill_seconds(a, e, on(a.dtype, e.sustained));
    }
    double operator()(const AttentionBackward& a) const {
      if (const SparseEquation& sparse = self.sparse_equation(a.heads); measured_back(a, sparse))
        return sparse_backward_seconds(a, sparse, on(a.dtype, 0));
      const AttentionEquation& e = choose(c, a).equation;
      return backward_seconds(a, e, c.memory, on(a.dtype, e.sustained));
    }
    double operator()(const AttentionDecode& a) const {
      const AttentionEquation& e = choose(c, a).equation;
      return decode_seconds(walked(a, self.sparse_equation(a.heads)), e, on(a.dtype, e.sustained));
    }
    double operator()(const MemoryOp& m) const {
      return memory_seconds(m, c.memory, c.serving_moves, on(spec::Dtype::bf16, 0));
    }
    double operator()(const SmallChain& s) const { return chain_seconds(s, c.memory); }
    double operator()(const IndexScores& x) const {
      return scores_seconds(x, self.sparse_equation(x), on(x.dtype(), 0));
    }
    double operator()(const IndexTopK& t) const {
      return top_k_seconds(t, self.sparse_equation(t.entry), on(spec::Dtype::bf16, 0));
    }
    double operator()(const SparsePrefill& a) const {
      return sparse_seconds(a, self.sparse_equation(a.heads), on(a.cache, 0));
    }
    double operator()(const StreamMix& m) const {
      return streams_seconds(m, self.streams_equation(m.out || m.backward), on(spec::Dtype::bf16, 0));
    }
    double operator()(const ShortConvolution& s) const {
      const Machine machine = on(spec::Dtype::bf16, 0);
      if (self.block_convolution(s)) return block_convolution_seconds(s, *c.convolution_trtllm, machine);
      return convolution_seconds(s, self.convolution_equation(s), machine);
    }
    double operator()(const StateScan& s) const {
      const Machine machine = on(spec::Dtype::bf16, 0);
      if (s.decode) return recurrence_seconds(s, self.recurrence_equation(s), machine);
      return s.kind == Recurrence::mamba2 ? mamba_scan_seconds(s, c.mamba_scan, machine)
                                          : scan_seconds(s, self.scan_equation(s.kind), machine);
    }
  };
  const bool chain = std::holds_alternative<SmallChain>(kernel);  // its gaps are part of its kernels' times
  return std::visit(Visit{*this, c, share}, kernel) + (chain ? 0 : moesim::seconds(c.gap));
}

Equations::Reach Equations::reach(const Kernel& kernel) const {
  const Calibration& c = calibration_;
  struct Visit {
    const Equations& self;
    const Calibration& c;
    Reach operator()(const Gemm& g) const {
      return reach_of(choose(c, g, self.library_), double(g.m), double(g.n), double(g.k));
    }
    Reach operator()(const GroupedGemm& g) const {
      const GroupRows rows = group_rows(g);
      return reach_of(choose(c, g, self.experts_), double(rows.rows) / double(std::max<std::int64_t>(rows.used, 1)),
                      double(g.n), double(g.k));
    }
    Reach operator()(const AttentionPrefill& a) const { return reach_of(choose(c, a), a.heads, a.work); }
    Reach operator()(const AttentionBackward& a) const {
      if (const SparseEquation& sparse = self.sparse_equation(a.heads); measured_back(a, sparse))
        return of_sparse(sparse, double(a.work.queries), a.picks);
      return reach_of(choose(c, a), a.heads, a.work);
    }
    Reach operator()(const AttentionDecode& a) const { return reach_of(choose(c, a), a.heads, a.work); }
    Reach operator()(const MemoryOp& m) const { return reach_of_move(c, m); }
    // The largest piece that is asked for at once: tables hold whole requests.
    Reach of_sparse(const SparseEquation& e, double queries, double longest) const {
      return reach_of(Chosen<SparseEquation>{e}, queries, 0, longest);
    }
    Reach operator()(const IndexScores& x) const {
      return of_sparse(self.sparse_equation(x), double(x.work.queries), double(x.work.longest));
    }
    Reach operator()(const IndexTopK& t) const {
      return of_sparse(self.sparse_equation(t.entry), double(t.rows), double(t.longest));
    }
    Reach operator()(const SparsePrefill& a) const {
      return of_sparse(self.sparse_equation(a.heads), double(a.work.queries), a.picks);
    }
    Reach operator()(const StreamMix& m) const { return reach_of(m, self.streams_equation(m.out)); }
    Reach operator()(const ShortConvolution& s) const {
      const auto tokens = double(s.tokens), channels = double(s.channels);
      if (self.block_convolution(s))
        return reach_of(Chosen<BlockConvolution>{*c.convolution_trtllm}, tokens, channels, 0);
      return reach_of(Chosen<StateEquation>{self.convolution_equation(s)}, tokens, channels, 0);
    }
    Reach operator()(const StateScan& s) const {
      if (s.backward) return {};  // nobody measured it
      const double each = double(s.tokens) / double(s.sequences);
      const bool mamba = s.kind == Recurrence::mamba2;
      if (s.decode)
        return reach_of(Chosen<StateEquation>{self.recurrence_equation(s), mamba ? Lender::gated_delta : Lender::none},
                        double(s.tokens), s.value_heads, 0);
      if (mamba) return reach_of(Chosen<MambaScan>{c.mamba_scan}, double(s.tokens), s.value_heads, each);
      return reach_of(Chosen<ScanEquation>{self.scan_equation(s.kind)}, double(s.tokens), s.value_heads, each);
    }
    Reach operator()(const SmallChain&) const {
      return {c.memory.fitted.m_max > 0, 1, Lender::none, c.memory.borrowed};
    }
  };
  return std::visit(Visit{*this, c}, kernel);
}
}  // namespace moesim::compute
