#include "compute/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "compute/equation_model.h"
#include "compute/fit.h"
#include "core/config.h"

namespace moesim {
namespace {
/// A number being fitted, kept between two bounds.
struct Knob {
  double* value = nullptr;
  Time* time = nullptr;
  double low = 0, high = 1;

  double get() const {
    const double now = time ? seconds(*time) : *value, span = std::clamp((now - low) / (high - low), 0.01, 0.99);
    return std::log(span / (1 - span));
  }
  void set(double x) const {
    const double now = low + (high - low) / (1 + std::exp(-x));
    if (time)
      *time = from_seconds(now);
    else
      *value = now;
  }
};
Knob knob(double& value, double low, double high) { return {&value, nullptr, low, high}; }
Knob knob(Time& time, double low, double high) { return {nullptr, &time, low, high}; }

class Fit {
 public:
  Fit(const CalibrationInput& input, CalibrationResult& result) : input_(input), result_(result) {}

  /// Fits the knobs to the rows that `use` picks, held-out ones left out, restarting once from the first optimum.
  /// Relative errors to the power 2.5 (between typical and worst), cut at 50 % so that a row the equation cannot know
  /// does not rule.
  void run(const std::vector<Knob>& knobs, const std::function<bool(const Sample&)>& use) {
    std::vector<const Sample*> rows;
    for (const Sample& s : result_.samples)
      if (!s.held_out && use(s)) rows.push_back(&s);
    if (rows.empty()) return;
    // One kernel timed alone says more about it than a row that adds up several: both kinds weigh the same in all.
    const auto single = std::ranges::count_if(rows, [](const Sample* s) { return s->harness == Harness::kernel; });
    const double alone = single > 0 ? std::max(1.0, double(std::ssize(rows) - single) / double(single)) : 1;
    const auto set = [&](const std::vector<double>& x) {
      for (std::size_t i = 0; i < knobs.size(); ++i) knobs[i].set(x[i]);
    };
    const auto error = [&](const std::vector<double>& x) {
      set(x);
      double sum = 0;
      for (const Sample* s : rows)
        sum += (s->harness == Harness::kernel ? alone : 1) *
               std::pow(std::min(0.5, std::abs(std::log(predicted(*s) / s->seconds))), 2.5);
      return sum;
    };
    std::vector<double> x;
    for (const Knob& k : knobs) x.push_back(k.get());
    for (int restart = 0; restart < 3; ++restart) x = minimise(error, x, 0.5, input_.evaluations);
    set(x);
  }
  double predicted(const Sample& s) const {
    return predict(s, input_.gpu, result_.calibration, result_.harness[s.kind]);
  }

 private:
  const CalibrationInput& input_;
  CalibrationResult& result_;
};

std::vector<Knob> gemm_knobs(GemmEquation& e) {
  return {knob(e.tensor, 0.5, 1), knob(e.step, 0, 0.3e-6), knob(e.tile, 0, 3e-6),   knob(e.hbm, 0.6, 0.95),
          knob(e.write, 1, 3),    knob(e.launch, 0, 3e-6), knob(e.overlap, 1.3, 10)};
}

auto of_kind(std::string_view kind, std::string_view group = "") {
  return [kind, group](const Sample& s) { return s.kind == kind && (group.empty() || s.group == group); };
}

// Rates in the published profile of DeepSeek-V3's training, on 112 of 132 SMs: middles of the ranges, TB/s.
void set_memory_rates(MemoryEquation& m, const Gpu& gpu) {
  const auto share = [&](double terabytes) { return terabytes * 1e12 / gpu.memory_bandwidth.v * 132.0 / 112.0; };
  m.norm = share(1.1);
  m.norm_backward = share(1.2);
  m.cast = share(1.7);
  m.cast_transpose = m.transpose = share(1.35);
  m.swiglu = share(2.4);
  m.permute = share(1.4);
  m.unpermute = share(1.7);
  m.copy = m.rope = share(1.5);
  m.swiglu_backward = m.add = share(2.0);
  m.optimizer = 0.8;
  m.top_k = 4096.0 * 256 * 4 / 65e-6 / gpu.memory_bandwidth.v * 132.0 / 112.0;
}

// The same profile's attention backward (473 TFLOP/s of its main kernel) and FP32 weight gradients (620-670), at the
// sustained clock: the one unknown of each is found by halving.
void set_training_rates(Calibration& c, const Gpu& gpu) {
  const double clock = c.sustained_clock;
  const AttentionHeads heads{AttentionKind::mla, 128, 128, 192, 128, false};
  const AttentionWork work{1, 4096, 4096, 4096, 4096.0 * 4096 / 2};
  const auto solve = [&](double& value, const std::function<double()>& rate, double wanted) {
    double low = 0.05, high = 1;
    for (int i = 0; i < 60; ++i) {
      value = (low + high) / 2;
      (rate() < wanted ? low : high) = value;
    }
  };
  c.backward.edge = c.prefill.edge;
  c.backward.tile = c.prefill.tile;
  c.backward.hbm = c.prefill.hbm;
  c.backward.launch = c.prefill.launch;
  c.backward.overlap = c.prefill.overlap;
  solve(
      c.backward.tensor,
      [&] {
        const Equations equations(gpu, c, clock);
        const AttentionBackward kernel{heads, work};
        const double ends = 0.5e-3;  // its pre- and post-kernel take 0.25 ms each there
        return flops_of(kernel).v / (equations.seconds(kernel, {112, 1}) - seconds(c.gap) - ends);
      },
      473e12);
  const Gemm gradient{.m = 7168, .n = 16384, .k = 4096, .dtype = Dtype::fp8, .fp32_accumulate = true};
  solve(
      c.gemm.accumulate,
      [&] {
        return flops_of(gradient).v / (Equations(gpu, c, clock).seconds(gradient, {112, 1}) - seconds(c.gap));
      },
      645e12);
  c.contiguous.accumulate = c.masked.accumulate = c.gemm.accumulate;
}

void note_range(FittedRange& r, double m, double n, double k) {
  const auto widen = [](double& low, double& high, double x) {
    low = high > 0 ? std::min(low, x) : x;
    high = std::max(high, x);
  };
  widen(r.m_min, r.m_max, m);
  if (n > 0) widen(r.n_min, r.n_max, n);
  if (k > 0) widen(r.k_min, r.k_max, k);
}

void note_ranges(CalibrationResult& result) {
  Calibration& c = result.calibration;
  for (const Sample& s : result.samples)
    for (const auto& sequence : s.sequences)
      for (const Kernel& kernel : sequence) {
        if (const auto* g = std::get_if<Gemm>(&kernel); g && g->dtype == Dtype::fp8)
          note_range(c.gemm.fitted, double(g->m), double(g->n), double(g->k));
        if (const auto* g = std::get_if<GroupedGemm>(&kernel)) {
          const GroupRows rows = group_rows(*g);
          FittedRange& range = g->layout == GroupLayout::masked ? c.masked.fitted : c.contiguous.fitted;
          if (rows.used > 0) note_range(range, double(rows.rows) / double(rows.used), double(g->n), double(g->k));
        }
        if (const auto* a = std::get_if<AttentionPrefill>(&kernel))
          note_range(c.prefill.fitted, double(a->work.queries), a->heads.heads, double(a->work.longest));
        if (const auto* a = std::get_if<AttentionDecode>(&kernel))
          note_range(c.decode.fitted, double(a->work.queries), a->heads.heads, double(a->work.longest));
      }
  note_range(c.backward.fitted, 4096, 128, 4096);
  c.memory.fitted = {.m_min = 1e6, .m_max = 1e9};  // activations of 4096 tokens in the profile
}

void read_tables(CalibrationResult& result, const CalibrationInput& in) {
  const auto add = [&](std::vector<Sample> rows) {
    for (Sample& s : rows) result.samples.push_back(std::move(s));
  };
  add(read_gemm_table(in.gemm));
  add(read_expert_table(in.folder + "/h100_expert_gemm_decode.csv", true, in.draws, in.seed));
  add(read_expert_table(in.folder + "/h100_expert_gemm_prefill.csv", false, in.draws, in.seed));
  add(read_mla_table(in.folder + "/h100_mla_decode.csv", true));
  add(read_mla_table(in.folder + "/h100_mla_prefill.csv", false));
  hold_out(result.samples, in.seed);
}

void fit_mla_decode(Fit& fit, CalibrationResult& result) {
  Calibration& c = result.calibration;
  fit.run({knob(result.harness["mla decode"].cached, 1, 6), knob(c.gap, 0.8e-6, 1.6e-6),
           knob(c.memory.floor, 0.5e-6, 5e-6), knob(c.decode.tensor, 0.4, 0.95), knob(c.decode.hbm, 0.7, 0.95),
           knob(c.decode.tile, 0, 6e-6), knob(c.decode.launch, 0, 8e-6), knob(c.decode.overlap, 1.4, 8),
           knob(c.decode.edge, 0, 128), knob(c.decode.chunk, 64, 1024)},
          of_kind("mla decode", "fa3"));
}

void fit_mla_prefill(Fit& fit, CalibrationResult& result) {
  Calibration& c = result.calibration;
  HarnessLimits& harness = result.harness["mla prefill"];
  fit.run({knob(harness.floor, 500e-6, 700e-6), knob(harness.sequence, 0, 5e-6), knob(harness.offset, 0, 500e-6),
           knob(c.prefill.tensor, 0.4, 1), knob(c.prefill.tile, 0, 8e-6), knob(c.prefill.overlap, 1.3, 8),
           knob(c.prefill.edge, 32, 192), knob(c.memory.serving, 1, 3)},
          of_kind("mla prefill", "fa3"));
}

// A product timed alone beside whole expert layers, of which the harness adds an unknown constant.
void fit_grouped(Fit& fit, GemmEquation& e, HarnessLimits& harness, bool eager, std::string_view alone,
                 std::string_view layers) {
  std::vector<Knob> knobs = gemm_knobs(e);
  knobs.push_back(knob(harness.offset, 0, eager ? 300e-6 : 20e-6));
  if (eager) knobs.push_back(knob(harness.floor, 300e-6, 450e-6));
  fit.run(knobs, [=](const Sample& s) { return s.kind == alone || s.kind == layers; });
}

void fit_all(Fit& fit, CalibrationResult& result) {
  Calibration& c = result.calibration;
  const auto start = [](GemmEquation& e) {
    e.tensor = 0.9, e.hbm = 0.8, e.write = 1.7, e.overlap = 4;
    e.step = {100'000}, e.tile = {500'000}, e.launch = {600'000};
  };
  start(c.gemm);
  fit.run(gemm_knobs(c.gemm), of_kind("gemm"));

  for (AttentionEquation* e : {&c.decode, &c.prefill}) {
    e->tensor = 0.8, e->hbm = 0.9, e->overlap = 3;
    e->launch = {3'000'000}, e->tile = {1'000'000};
  }
  c.decode.edge = 16, c.decode.chunk = 300, c.prefill.edge = 64;
  c.gap = {700'000};
  c.memory.floor = {1'500'000};
  c.memory.serving = 1.5;
  result.harness["mla decode"].cached = 2;
  HarnessLimits& prefill = result.harness["mla prefill"];
  prefill.floor = 620e-6, prefill.sequence = 2e-6, prefill.offset = 200e-6;
  for (int round = 0; round < 2; ++round) {  // they share the memory-bound kernels' rates and floor
    fit_mla_decode(fit, result);
    fit_mla_prefill(fit, result);
  }

  start(c.masked);
  start(c.contiguous);
  HarnessLimits& experts = result.harness["expert prefill"];
  experts.floor = 390e-6, experts.offset = 50e-6;
  result.harness["expert decode"].offset = 5e-6;
  fit_grouped(fit, c.masked, result.harness["expert decode"], false, "masked", "expert decode");
  fit_grouped(fit, c.contiguous, experts, true, "contiguous", "expert prefill");
}

void check_bounds(const CalibrationResult& result, const CalibrationInput& in) {
  for (const Sample& s : result.samples) {
    if (!(s.seconds > 0)) throw ConfigError(fmt::format("{} {}: expected a time above 0", s.kind, s.shape));
    if (s.harness != Harness::kernel) continue;
    const double flops = flops_of(s.sequences[0][0]).v;
    if (flops / s.seconds > in.gpu.fp8.v)
      throw ConfigError(fmt::format("{} {}: {:.0f} TFLOP/s is above the FP8 peak of {}", s.kind, s.shape,
                                    flops / s.seconds * 1e-12, in.gpu.name));
  }
}

void evaluate(CalibrationResult& result, const CalibrationInput& in, const Fit& fit) {
  std::map<std::string, std::vector<std::pair<double, std::string>>> fitted, held;
  for (const Sample& s : result.samples) {
    const std::string key = s.kind + ", " + s.group;
    const HarnessLimits& harness = result.harness[s.kind];
    const double host = harness.floor + harness.sequence * double(s.sequences_in_batch);
    if (s.harness == Harness::eager && predict_device(s, in.gpu, result.calibration, harness) < host) {
      ++result.host_bound[key];
      continue;
    }
    const std::pair<double, std::string> error{std::abs(fit.predicted(s) / s.seconds - 1), s.shape};
    auto& side = s.held_out ? held : fitted;
    side[key].push_back(error);
    if (s.harness == Harness::kernel) side["all products alone"].push_back(error);
  }
  for (auto& [key, errors] : fitted) result.fitted[key] = residuals_of(std::move(errors));
  for (auto& [key, errors] : held) result.held_out[key] = residuals_of(std::move(errors));
}
}  // namespace

Residuals residuals_of(std::vector<std::pair<double, std::string>> errors) {
  if (errors.empty()) return {};
  std::sort(errors.begin(), errors.end());
  const std::size_t n = errors.size();
  return {n, errors[n / 2].first, errors[n * 9 / 10].first, errors.back().first, errors.back().second};
}

CalibrationResult calibrate(const CalibrationInput& input) {
  CalibrationResult result;
  read_tables(result, input);
  check_bounds(result, input);
  Calibration& c = result.calibration;
  c.generation = input.gpu.generation;
  c.title = "single kernels on H800 and H100";
  c.sustained_clock = 865 / 989.4;
  c.sm_bandwidth = 2;
  c.memory.launched = {5'000'000};
  set_memory_rates(c.memory, input.gpu);
  Fit fit(input, result);
  fit_all(fit, result);
  c.memory.replayed = c.gap + c.memory.floor;
  set_training_rates(c, input.gpu);
  note_ranges(result);
  evaluate(result, input, fit);
  return result;
}
}  // namespace moesim
