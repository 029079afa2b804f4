// The look-up before the equations: an open-addressing table keyed by a 128-bit fingerprint of the question.
#include <algorithm>
#include <bit>
#include <vector>

#include "compute/kernels/kernel_model.h"
#include "core/check.h"

namespace moesim::compute {
namespace {
// Two multiplicative lanes; two questions share both with a chance of 2^-128 a pair.
struct Fingerprint {
  std::uint64_t a = 0x9e3779b97f4a7c15, b = 0xc2b2ae3d27d4eb4f;
  void add(std::uint64_t v) {
    a = std::rotl((a ^ v) * 0xff51afd7ed558ccd, 31);
    b = std::rotl((b + v) * 0x9fb21c651e98df25, 29) ^ v;
  }
  void add(std::int64_t v) { add(std::uint64_t(v)); }
  void add(int v) { add(std::uint64_t(v)); }
  void add(bool v) { add(std::uint64_t(v)); }
  void add(double v) { add(std::bit_cast<std::uint64_t>(v)); }
  template <class E>
  requires std::is_enum_v<E>
  void add(E v) { add(std::uint64_t(v)); }
  void add(const AttentionHeads& h) { all(h.kind, h.heads, h.kv_heads, h.qk_dim, h.v_dim, h.absorbed, h.rotated); }
  void add(const AttentionWork& w) {
    all(w.sequences, w.queries, w.keys, w.longest, w.pairs, w.tiles, w.tiled_pairs, w.edges);
  }
  void add(const Gemm& g) {
    all(1, g.m, g.n, g.k, g.dtype, g.out, g.fp32_accumulate, g.batch, g.weights.value_or(g.dtype), g.scales);
  }
  void add(const GroupedGemm& g) {
    const GroupRows r = group_rows(g);
    all(2, g.rows.size(), r.rows, r.used, r.tiles64, r.tiles128, r.blocks16, g.n, g.k, g.dtype, g.out, g.layout,
        g.weight_gradient, g.weights.value_or(g.dtype), g.scales);
  }
  void add(const AttentionPrefill& x) { all(3, x.heads, x.work, x.dtype); }
  void add(const AttentionBackward& x) { all(4, x.heads, x.work, x.dtype); }
  void add(const AttentionDecode& x) { all(5, x.heads, x.work, x.dtype, x.cache, x.picks); }
  void add(const MemoryOp& m) { all(6, m.kind, m.bytes.v, m.serving); }
  void add(const SmallChain& s) { all(7, s.count, s.graph); }
  void add(const IndexScores& x) { all(8, x.heads, x.dim, x.work, x.paged, x.entry, x.block); }
  void add(const IndexTopK& t) { all(9, t.picks, t.rows, t.longest, t.ranked, t.scores, t.entry); }
  void add(const SparsePrefill& x) { all(10, x.heads, x.work, x.picks, x.cache); }
  void add(const ShortConvolution& c) { all(11, c.channels, c.taps, c.sequences, c.tokens, c.decode, c.of); }
  void add(const StateScan& s) {
    all(12, s.kind, s.key_heads, s.value_heads, s.key_dim, s.value_dim, s.sequences, s.tokens, s.longest, s.resumed,
        s.decode, s.backward, s.taps);
  }
  void add(const StreamMix& m) { all(13, m.rows, m.hidden, m.streams, m.out, m.backward); }
  void all(const auto&... values) { (add(values), ...); }
};
}  // namespace

namespace {
/// Kinds of kernel that extrapolations are told apart by.
constexpr std::size_t kKinds = 22 + std::size(enum_names(MemoryKind{}));
std::uint8_t kind_of(const Kernel& kernel) {
  struct Visit {
    int operator()(const Gemm& g) const { return g.fp32_accumulate; }
    int operator()(const GroupedGemm& g) const { return g.weight_gradient ? 2 : 3 + int(g.layout); }
    int operator()(const AttentionPrefill&) const { return 5; }
    int operator()(const AttentionBackward&) const { return 6; }
    int operator()(const AttentionDecode&) const { return 7; }
    int operator()(const SmallChain&) const { return 8; }
    int operator()(const IndexScores&) const { return 9; }
    int operator()(const IndexTopK&) const { return 10; }
    int operator()(const SparsePrefill&) const { return 11; }
    int operator()(const ShortConvolution& c) const { return 12 + c.decode; }
    int operator()(const StateScan& s) const { return 14 + s.decode + 2 * int(s.kind); }
    int operator()(const StreamMix& m) const { return 20 + m.out; }
    int operator()(const MemoryOp& m) const { return 22 + int(m.kind); }
  };
  return std::uint8_t(std::visit(Visit{}, kernel));
}
}  // namespace

struct KernelCosts::Cache {
  struct Slot {
    std::uint64_t a = 0, b = 0;  // both 0: empty
    Cost cost;
    std::uint8_t kind = 0;
  };
  /// Kernels of one kind outside the range their equation was fitted on.
  struct Outside {
    double time = 0;  // seconds asked for
    float beyond = 1;
    std::string furthest;
  };
  std::vector<Slot> slots;
  std::size_t used = 0, most = 0;                              // slots, at most
  std::array<double, 4> time{};                                // seconds asked for, by Origin
  std::array<double, std::size(enum_names(Lender{}))> lent{};  // likewise, by Lender
  std::array<Outside, kKinds> outside{};
  double borrowed = 0;

  /// Of a question that was not asked before.
  void see(const Cost& cost, const Kernel& kernel, std::uint8_t kind) {
    if (cost.from.origin != Origin::extrapolated || cost.from.beyond <= outside[kind].beyond) return;
    outside[kind].beyond = cost.from.beyond;
    outside[kind].furthest = describe(kernel);
  }
  /// Of every question.
  void count(const Cost& cost, std::uint8_t kind) {
    const double asked = seconds(cost.time);
    time[std::size_t(cost.from.origin)] += asked;
    lent[std::size_t(cost.from.lender)] += asked;
    if (cost.from.origin == Origin::extrapolated) outside[kind].time += asked;
    if (cost.from.borrowed) borrowed += asked;
  }
  Slot& find(const Fingerprint& f) {
    const std::size_t mask = slots.size() - 1;
    for (std::size_t i = f.a & mask;; i = (i + 1) & mask)
      if ((slots[i].a == f.a && slots[i].b == f.b) || (slots[i].a == 0 && slots[i].b == 0)) return slots[i];
  }
  /// Room for one more: twice the slots, or, at the most, a fresh start rather than a choice of what to forget.
  void make_room() {
    if (++used * 2 <= slots.size()) return;
    std::vector<Slot> old(slots.size() < most ? slots.size() * 2 : slots.size());
    old.swap(slots);
    used = 1;
    if (slots.size() == old.size()) return;
    for (const Slot& slot : old) {
      if (slot.a == 0 && slot.b == 0) continue;
      find({slot.a, slot.b}) = slot;
      ++used;
    }
  }
};

KernelCosts::KernelCosts(const KernelModel& model, std::size_t capacity)
    : model_(model), cache_(std::make_unique<Cache>()) {
  check(capacity > 0, "a kernel cache of no entries");
  constexpr std::size_t kFirst = 1 << 9;  // many models of a deployment ask few questions each
  cache_->most = std::bit_ceil(capacity * 2);
  cache_->slots.resize(std::min(kFirst, cache_->most));
}
KernelCosts::~KernelCosts() = default;

Cost KernelCosts::cost(const Kernel& asked, GpuShare share) {
  if (std::holds_alternative<AttentionDecode>(asked)) {  // contexts grow with every step: hardly any comes twice
    const Cost cost = model_.cost(asked, share);
    const std::uint8_t kind = kind_of(asked);
    cache_->see(cost, asked, kind);
    cache_->count(cost, kind);
    return cost;
  }
  Kernel counted;
  if (const auto* g = std::get_if<GroupedGemm>(&asked); g && !g->counted) {
    counted = *g;
    std::get<GroupedGemm>(counted).counted = group_rows(*g);
  }
  const Kernel& kernel = std::holds_alternative<GroupedGemm>(counted) ? counted : asked;
  Fingerprint f;
  std::visit([&](const auto& k) { f.add(k); }, kernel);
  f.all(share.sms, share.memory);
  Cache::Slot* slot = &cache_->find(f);
  if (slot->a != f.a || slot->b != f.b) {
    const Cost cost = model_.cost(kernel, share);
    cache_->make_room();
    slot = &cache_->find(f);
    *slot = {f.a, f.b, cost, kind_of(kernel)};
    cache_->see(cost, kernel, slot->kind);
  }
  cache_->count(slot->cost, slot->kind);
  return slot->cost;
}

KernelCosts::Summary KernelCosts::summary() const {
  constexpr double kMatters = 0.01;
  Summary out;
  out.error = model_.error();
  out.borrowed_error = model_.borrowed_error();
  double total = 0;
  for (const double t : cache_->time) total += t;
  if (total <= 0) return out;
  for (std::size_t i = 0; i < out.share.size(); ++i) out.share[i] = cache_->time[i] / total;
  for (std::size_t i = 1; i < out.lent.size(); ++i) out.lent[i] = cache_->lent[i] / total;
  for (const Cache::Outside& o : cache_->outside) {
    const bool matters = o.time >= kMatters * total, before = out.beyond_share >= kMatters;
    if (o.beyond <= 1 || (before && !matters) || (before == matters && o.beyond <= out.beyond)) continue;
    out.beyond = o.beyond, out.beyond_kernel = o.furthest, out.beyond_share = o.time / total;
  }
  out.borrowed = cache_->borrowed / total;
  return out;
}
}  // namespace moesim::compute
