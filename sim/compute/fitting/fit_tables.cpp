// Fits the calibration of one GPU's generation to the rows of folders of tables, a kind and a number format at a time.
#include <algorithm>
#include <functional>

#include "compute/fitting/fit.h"
#include "compute/fitting/knobs.h"
#include "compute/fitting/tables.h"
#include "core/check.h"
#include "core/elementary.h"

namespace moesim::compute {
namespace {
// Between the typical row and the worst: what no equation knows (a library's choice of tiles) is to rule no fit.
constexpr double kPower = 2, kLastPower = 1.5;

/// What one kind of row is fitted by: a section of the calibration and a benchmark.
struct Part {
  std::string bench;
  std::vector<Knob> knobs;
  FittedRange* range;
};

std::vector<Knob> of_benchmark(Benchmark& b) {
  return {knob(b.cache, 0.1, 1), knob(b.cached, 1, 6), knob(b.burst, 1e-3, 0.1)};
}

/// split: whether the library splits K; steps: whether partial sums are promoted, which a step's fixed time is.
std::vector<Knob> of_products(GemmEquation& e, Benchmark& b, bool split) {
  std::vector<Knob> out{knob(e.step, 0, 0.3e-6), knob(e.tile, 0, 3e-6),    knob(e.hbm, 0.6, 0.97),
                        knob(e.write, 1, 3),     knob(e.launch, 0, 8e-6),  knob(e.overlap, 1, 8),
                        knob(e.tensor, 0.5, 1),  knob(e.sustained, 0.5, 1)};
  if (split) out.push_back(knob(e.reduce, 0.5e-6, 12e-6));
  if (!split) out.push_back(knob(b.offset, 0, 6e-6));
  for (const Knob& k : of_benchmark(b)) out.push_back(k);
  return out;
}

// Prompts of dense batches in 16 bits (FlashAttention-3, published) hide their traffic and reach the HBM: lower bounds
// say so, since the tables' paged ones are as well described by adding slow traffic.  FP8 rows also quantise their
// queries, which nothing hides.
std::vector<Knob> of_prompts(AttentionEquation& e, Benchmark& b) {
  const bool fp8 = b.of.ends_with("fp8");
  return {knob(e.tensor, 0.3, 1),
          knob(e.exponents, 5, 150),
          knob(e.soft, 1, 8),
          knob(e.edge, 0, 200),
          knob(e.narrow, 0, 200),
          knob(e.tail, 0, 1.5),
          knob(e.tile, 0, 6e-6),
          knob(e.launch, 0, 12e-6),
          knob(e.overlap, fp8 ? 1 : 2, 6),
          knob(e.hbm, fp8 ? 0.4 : 0.75, 0.97),
          knob(e.odd_width, 0, 15e-6),
          knob(e.sustained, 0.5, 1),
          knob(b.burst, 1e-3, 0.1)};
}

std::vector<Knob> of_decoding(AttentionEquation& e, Benchmark& b) {
  return {knob(e.tensor, 0.2, 1),   knob(e.exponents, 2, 150), knob(e.hbm, 0.4, 0.97),      knob(e.launch, 0, 12e-6),
          knob(e.tile, 0, 6e-6),    knob(e.overlap, 1, 8),     knob(e.edge, 0, 600),        knob(e.chunk, 16, 2048),
          knob(e.combine, 0, 8e-6), knob(e.draw, 1, 8),        knob(e.odd_width, 0, 15e-6), knob(b.cache, 0.1, 1),
          knob(b.cached, 1, 6)};
}

/// A fused expert layer: its products, and what the benchmark's other kernels take.
std::vector<Knob> of_experts(GemmEquation& e, Benchmark& b) {
  std::vector<Knob> out{knob(e.step, 0, 0.5e-6),  knob(e.tile, 0, 8e-6),    knob(e.hbm, 0.1, 0.97),
                        knob(e.launch, 0, 20e-6), knob(e.overlap, 1, 8),    knob(e.tensor, 0.1, 1),
                        knob(e.padding, 0, 1),    knob(e.draw, 2, 24),      knob(b.offset, 0, 100e-6),
                        knob(b.moves, 0.2, 4),    knob(b.expert, 0, 500e-6)};
  for (const Knob& k : of_benchmark(b)) out.push_back(k);
  return out;
}

/// Quantising alone, its buffers warm where they fit the cache.
std::vector<Knob> of_moves(ServingMoves& m, Benchmark& b) {
  return {knob(m.stream, 0.4, 1), knob(m.cast, 0.2, 1), knob(b.cache, 0.1, 1), knob(b.cached, 1, 6)};
}

/// Whole layers as the first tables timed them: nothing but what the benchmark adds to kernels that others tell of.
std::vector<Knob> of_layers(Benchmark& b, bool eager) {
  std::vector<Knob> out{knob(b.offset, 0, 500e-6), knob(b.library, 0.8, 1.5)};
  if (eager) {
    for (const Knob& k :
         {knob(b.floor, 0, 800e-6), knob(b.sequence, 0, 5e-6), knob(b.moves, 0.5, 3), knob(b.burst, 1e-3, 1)})
      out.push_back(k);
  } else {
    for (const Knob& k : {knob(b.expert, 0, 1e-6), knob(b.cache, 0.3, 1), knob(b.cached, 1, 3), knob(b.warm, 0, 1e-6)})
      out.push_back(k);
  }
  return out;
}

/// An optional section; where it is new, the search starts from that of another kind.
template <class E>
E& own(std::optional<E>& section, const E& start) {
  if (!section) section = start;
  section->borrowed = false;
  return *section;
}

AttentionEquation prompt_start() {
  AttentionEquation e;
  e.tensor = 0.75, e.hbm = 0.8, e.launch = {5'000'000}, e.tile = {500'000}, e.overlap = 1.3;
  e.edge = 20, e.narrow = 20, e.tail = 0.5, e.exponents = 25, e.soft = 3, e.sustained = 0.9;
  return e;
}
AttentionEquation decode_start(double rows) {
  AttentionEquation e;
  e.tensor = 0.6, e.hbm = 0.85, e.launch = {4'000'000}, e.tile = {500'000}, e.overlap = 3, e.edge = 30;
  e.chunk = 256, e.combine = {3'000'000}, e.exponents = 16, e.draw = 2, e.rows = rows;
  return e;
}

void widen(double& low, double& high, double x) {
  low = high > 0 ? std::min(low, x) : x;
  high = std::max(high, x);
}
/// The range of shapes as the equations ask for it (Equations::reach).
void widen(FittedRange& r, const Kernel& kernel) {
  const auto by = [&](double m, double n, double k) {
    widen(r.m_min, r.m_max, m), widen(r.n_min, r.n_max, n), widen(r.k_min, r.k_max, k);
  };
  const auto by_work = [&](const AttentionHeads& h, const AttentionWork& w) {
    by(double(w.queries), h.heads, double(w.keys) / double(w.sequences));
  };
  if (const auto* g = std::get_if<GroupedGemm>(&kernel)) {
    const GroupRows rows = group_rows(*g);
    if (rows.used > 0) by(double(rows.rows) / double(rows.used), double(g->n), double(g->k));
  }
  if (const auto* g = std::get_if<Gemm>(&kernel)) by(double(g->m), double(g->n), double(g->k));
  if (const auto* a = std::get_if<AttentionPrefill>(&kernel)) by_work(a->heads, a->work);
  if (const auto* a = std::get_if<AttentionDecode>(&kernel)) by_work(a->heads, a->work);
  if (const auto* m = std::get_if<MemoryOp>(&kernel)) by(double(m->bytes.v), 0, 0);
}

class TableFit {
 public:
  TableFit(Calibration& c, std::map<std::string, Benchmark>& benchmarks, const spec::Gpu& gpu,
           const std::vector<Measurement>& rows, int without, int evaluations)
      : c_(c), benchmarks_(benchmarks), gpu_(gpu), rows_(rows), without_(without), evaluations_(evaluations) {}

  std::vector<Part> parts() {
    GemmEquation start;
    start.hbm = 0.85, start.step = {50'000}, start.tile = {500'000}, start.launch = {2'000'000}, start.overlap = 3;
    start.sustained = 0.87, start.write = 1.2, start.reduce = {4'000'000};
    GemmEquation whole = start;
    whole.reduce = {}, whole.step = {100'000}, whole.accumulate = c_.gemm.accumulate;
    const bool hopper = gpu_.generation == "hopper";  // there `gemm` is fitted to the library's own table
    GemmEquation& blocks = hopper ? own(c_.gemm_2026, whole) : c_.gemm;
    const AttentionEquation prompts = prompt_start(), heads = decode_start(16), latent = decode_start(64);
    std::vector<Part> out;
    const auto add = [&](const char* bench, auto knobs_of, auto&& section) {
      if (std::ranges::none_of(rows_, [&](const Measurement& s) { return s.bench == bench; })) return;
      Benchmark& b = benchmarks_[bench];
      b.of = bench;
      if (b.burst <= Time{}) b.burst = {10'000'000'000};
      auto& equation = section();
      out.push_back({bench, knobs_of(equation, b), &equation.fitted});
    };
    const auto split = [](GemmEquation& e, Benchmark& b) { return of_products(e, b, true); };
    const auto never = [](GemmEquation& e, Benchmark& b) { return of_products(e, b, false); };
    add("product bfloat16", split, [&]() -> GemmEquation& { return own(c_.gemm_bf16, start); });
    add("product fp8_block", never, [&]() -> GemmEquation& { return blocks; });
    add("product fp8", never, [&]() -> GemmEquation& { return own(c_.gemm_tokens, whole); });
    add("product nvfp4", never, [&]() -> GemmEquation& { return own(c_.gemm_fp4, whole); });
    add("attention prefill bfloat16", of_prompts,
        [&]() -> AttentionEquation& { return own(c_.prefill_heads, prompts); });
    add("attention prefill fp8", of_prompts,
        [&]() -> AttentionEquation& { return own(c_.prefill_heads_fp8, prompts); });
    add("attention decode bfloat16", of_decoding, [&]() -> AttentionEquation& { return own(c_.decode_heads, heads); });
    add("attention decode fp8", of_decoding, [&]() -> AttentionEquation& { return own(c_.decode_heads_fp8, heads); });
    if (!hopper) {
      add("mla prefill core bfloat16", of_prompts, [&]() -> AttentionEquation& { return c_.prefill; });
      add("mla decode core bfloat16", of_decoding, [&]() -> AttentionEquation& { return c_.decode; });
    }
    add("mla prefill core fp8", of_prompts,
        [&]() -> AttentionEquation& { return own(c_.prefill_latent_fp8, prompts); });
    add("mla decode core fp8", of_decoding, [&]() -> AttentionEquation& { return own(c_.decode_latent_fp8, latent); });
    add("quantise", of_moves, [&]() -> ServingMoves& {
      c_.serving_moves.borrowed = false;
      return c_.serving_moves;
    });
    add_experts(out);
    add_layers(out);
    return out;
  }

  void run(const Part& part) {
    std::vector<const Measurement*> rows;
    for (const Measurement& s : rows_)
      if (s.bench == part.bench && s.fold != without_ && s.known) rows.push_back(&s);
    const auto set = [&](const std::vector<double>& x) {
      for (std::size_t i = 0; i < x.size(); ++i) part.knobs[i].set(x[i]);
    };
    const auto errors = [&](const std::vector<double>& x) {
      set(x);
      const HarnessLimits limits = limits_of(benchmarks_.at(part.bench), gpu_);
      std::vector<double> out;
      for (const Measurement* s : rows)
        out.push_back(std::clamp(log_of(predict(*s, gpu_, c_, limits) / s->seconds), -0.5, 0.5));
      return out;
    };
    std::vector<double> x;
    for (const Knob& k : part.knobs) x.push_back(std::clamp(k.get(), 0.02, 0.98));
    x = descend(errors, x, kPower, evaluations_);
    set(descend(errors, x, kLastPower, evaluations_));
    if (part.range == nullptr) return;
    *part.range = {};
    for (const Measurement* s : rows)
      for (const Kernel& kernel : s->sequences.front())  // quantising before a product is not the product
        if (s->sequences.front().size() == 1 || !std::holds_alternative<MemoryOp>(kernel)) widen(*part.range, kernel);
  }

 private:
  Benchmark& benchmark(const std::string& bench) {
    Benchmark& b = benchmarks_[bench];
    b.of = bench;
    return b;
  }
  /// A kernel of experts in a format, of the calibration; where it is new, the search starts from a middling one.
  ExpertEquation& own_experts(const Measurement& s) {
    const GroupedGemm* g = nullptr;
    for (const Kernel& kernel : s.sequences.front())
      if (const auto* found = std::get_if<GroupedGemm>(&kernel)) g = found;
    check(g != nullptr, "an expert layer without products");
    const ExpertFormat format = format_of(*g);
    for (ExpertEquation& e : c_.experts)
      if (e.kernel == s.library && e.format == format && !e.product.borrowed) return e;
    ExpertEquation e{s.expert_library, format, s.library, {}};
    e.product.hbm = 0.8, e.product.step = {50'000}, e.product.tile = {500'000}, e.product.launch = {2'000'000};
    e.product.overlap = 3, e.product.tensor = 0.7, e.product.padding = 0.5, e.product.draw = 6;
    c_.experts.insert(c_.experts.begin() + own_++, std::move(e));
    return c_.experts[std::size_t(own_ - 1)];
  }
  void add_experts(std::vector<Part>& out) {
    std::vector<const Measurement*> firsts;  // of each bench
    for (const Measurement& s : rows_)
      if (s.expert_library != ExpertLibrary::usual && s.expert_library != ExpertLibrary::deep_gemm &&
          std::ranges::none_of(firsts, [&](const Measurement* f) { return f->bench == s.bench; }))
        firsts.push_back(&s);
    c_.experts.reserve(c_.experts.size() + firsts.size());  // parts point into it
    for (const Measurement* s : firsts) own_experts(*s);
    for (const Measurement* s : firsts) {
      Benchmark& b = benchmark(s->bench);
      if (b.burst <= Time{}) b.burst = {10'000'000'000}, b.offset = {10'000'000};
      ExpertEquation& e = own_experts(*s);
      out.push_back({s->bench, of_experts(e.product, b), &e.product.fitted});
    }
  }
  void add_layers(std::vector<Part>& out) {
    for (const Measurement& s : rows_) {
      const bool layer =
          s.kind == "expert decode" || s.kind == "expert prefill" || s.kind == "mla decode" || s.kind == "mla prefill";
      if (!layer || std::ranges::any_of(out, [&](const Part& p) { return p.bench == s.bench; })) continue;
      Benchmark& b = benchmark(s.bench);
      const bool eager = s.harness == Harness::eager;
      if (eager && b.burst <= Time{}) b.burst = {100'000'000'000}, b.floor = {400'000'000}, b.offset = {50'000'000};
      out.push_back({s.bench, of_layers(b, eager), nullptr});
    }
  }
  Calibration& c_;
  std::map<std::string, Benchmark>& benchmarks_;
  const spec::Gpu& gpu_;
  const std::vector<Measurement>& rows_;
  int without_, evaluations_;
  std::ptrdiff_t own_ = 0;  // kernels of experts that are new
};
}  // namespace

void fit_tables(TableFitResult& fit, const spec::Gpu& gpu, const std::vector<Measurement>& rows, int without,
                int evaluations) {
  TableFit tables(fit.calibration, fit.benchmarks, gpu, rows, without, evaluations);
  for (const Part& part : tables.parts()) {
    tables.run(part);
    if (std::ranges::find(fit.fitted, part.bench) == fit.fitted.end()) fit.fitted.push_back(part.bench);
  }
}
}  // namespace moesim::compute
