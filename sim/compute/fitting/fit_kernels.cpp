// Fits the equations' parameters to the rows of measured tables, kind by kind.
#include <algorithm>
#include <cmath>
#include <functional>

#include "compute/fitting/calibrate.h"
#include "compute/fitting/fit.h"
#include "compute/fitting/knobs.h"
#include "core/elementary.h"

namespace moesim::compute {
namespace {
class Fit {
 public:
  Fit(Fitted& fitted, const std::vector<Measurement>& measurements, const CalibrationInput& input, int without)
      : fitted_(fitted), measurements_(measurements), input_(input), without_(without) {}

  /// Fits the knobs to the rows that `use` picks, the held-out fold left out: descent, a simplex where the equations'
  /// steps (tiles, waves) stop it, and descent again.  Relative errors to a power between the typical
  /// and the worst row's, cut at 50 % so that a row the equation cannot know does not rule.
  void run(const std::vector<Knob>& knobs, double power, const std::function<bool(const Measurement&)>& use) {
    std::vector<const Measurement*> rows;
    for (const Measurement& s : measurements_)
      if (s.fold != without_ && s.known && use(s)) rows.push_back(&s);
    if (rows.empty()) return;
    // One kernel timed alone says more about it than a row that adds up several: both kinds weigh the same in all.
    const auto single = std::ranges::count_if(rows, [](const Measurement* s) { return s->harness == Harness::kernel; });
    const double alone = single > 0 ? std::max(1.0, double(std::ssize(rows) - single) / double(single)) : 1;
    const double scale = pow_of(alone, 1 / power);
    const auto set = [&](const std::vector<double>& x) {
      for (std::size_t i = 0; i < knobs.size(); ++i) knobs[i].set(x[i]);
    };
    const auto errors = [&](const std::vector<double>& x) {
      set(x);
      std::vector<double> out;
      for (const Measurement* s : rows)
        out.push_back((s->harness == Harness::kernel ? scale : 1) *
                      std::clamp(log_of(predicted(*s) / s->seconds), -0.5, 0.5));
      return out;
    };
    const auto sum = [&](const std::vector<double>& x) {
      double total = 0;
      for (const double e : errors(x)) total += pow_of(std::abs(e), power);
      return total;
    };
    std::vector<double> x;
    for (const Knob& k : knobs) x.push_back(k.get());
    x = descend(errors, x, power, input_.evaluations);
    x = minimise(sum, x, 0.1, input_.evaluations);
    for (double& v : x) v = std::clamp(v, 0.0, 1.0);
    set(descend(errors, x, power, input_.evaluations));
  }
  Fitted& fitted() { return fitted_; }

 private:
  double predicted(const Measurement& s) const {
    return predict(s, input_.gpu, fitted_.calibration, fitted_.harness[s.bench]);
  }
  Fitted& fitted_;
  const std::vector<Measurement>& measurements_;
  const CalibrationInput& input_;
  int without_;
};

// Of products few rows are far off, and those for reasons no parameter has; of attention the extreme shapes are.
constexpr double kDensePower = 3.5, kGroupedPower = 3, kAttentionPower = 4;

// Within a step the tensor cores run at their peak, what is lost is the step's fixed time; the norm is fixed too.
// Fitted as well, both let rows left out of the fit fall further behind than the rows in it.
std::vector<Knob> gemm_knobs(std::vector<GemmEquation*> equations) {
  Knob step{{}, {}, 0, 0.3e-6}, tile{{}, {}, 0, 3e-6}, hbm{{}, {}, 0.6, 0.95}, write{{}, {}, 1, 2},
      launch{{}, {}, 0, 8e-6};
  for (GemmEquation* e : equations) {
    step.times.push_back(&e->step), tile.times.push_back(&e->tile), launch.times.push_back(&e->launch);
    hbm.values.push_back(&e->hbm), write.values.push_back(&e->write);
  }
  return {step, tile, hbm, write, launch};
}

auto of_kind(std::string_view kind, std::string_view group = "") {
  return [kind, group](const Measurement& s) { return s.kind == kind && (group.empty() || s.group == group); };
}

void fit_mla_decode(Fit& fit) {
  Calibration& c = fit.fitted().calibration;
  HarnessLimits &fa3 = fit.fitted().harness["mla decode, fa3"], &other = fit.fitted().harness["mla decode, flashinfer"];
  fit.run({knob(fa3.cached, other.cached, 1, 3), knob(fa3.cache, other.cache, 15e6, 50e6),
           knob(fa3.warm, other.warm, 0, 1e-6), knob(fa3.library, other.library, 1, 1.2),
           knob(other.offset, -8e-6, 8e-6), knob(c.gap, 0.8e-6, 1.6e-6), knob(c.memory.floor, 0.5e-6, 5e-6),
           knob(c.decode.tensor, 0.4, 0.95), knob(c.decode.hbm, 0.7, 0.95), knob(c.decode.tile, 0, 6e-6),
           knob(c.decode.launch, 0, 8e-6), knob(c.decode.overlap, 1.4, 8), knob(c.decode.edge, 0, 128),
           knob(c.decode.chunk, 64, 512), knob(c.decode.combine, 0, 6e-6)},
          kAttentionPower, of_kind("mla decode"));
}

void fit_mla_prefill(Fit& fit) {
  Calibration& c = fit.fitted().calibration;
  HarnessLimits &fa3 = fit.fitted().harness["mla prefill, fa3"],
                &other = fit.fitted().harness["mla prefill, flashinfer"];
  fit.run(
      {knob(fa3.floor, 500e-6, 700e-6), knob(fa3.sequence, 0, 5e-6), knob(fa3.offset, 0, 500e-6),
       knob(fa3.library, other.library, 1, 1.4), knob(fa3.burst, other.burst, 0, 1), knob(other.floor, 500e-6, 700e-6),
       knob(other.sequence, 0, 5e-6), knob(other.offset, 0, 500e-6), knob(c.prefill.tensor, 0.4, 1),
       knob(c.prefill.tile, 0, 8e-6), knob(c.prefill.overlap, 1.3, 8), knob(c.prefill.edge, 0, 192)},
      kAttentionPower, of_kind("mla prefill"));
}

// Contiguous and masked products are one kernel with two ways of finding its tiles, so they share their parameters.
// Products timed alone are fitted beside whole expert layers, to which the harness adds an unknown constant.
void fit_grouped(Fit& fit) {
  Calibration& c = fit.fitted().calibration;
  HarnessLimits &decode = fit.fitted().harness["expert decode"], &prefill = fit.fitted().harness["expert prefill"];
  std::vector<Knob> knobs = gemm_knobs({&c.contiguous, &c.masked});
  for (const Knob& k : {knob(prefill.offset, 0, 300e-6), knob(prefill.floor, 300e-6, 450e-6),
                        knob(prefill.library, 1, 1.4), knob(prefill.moves, 0.7, 1.6), knob(prefill.burst, 0, 1),
                        knob(decode.offset, 0, 20e-6), knob(decode.expert, 0, 1e-6)})
    knobs.push_back(k);
  fit.run(knobs, kGroupedPower, [](const Measurement& s) {
    return s.kind == "contiguous" || s.kind == "masked" || s.kind == "expert decode" || s.kind == "expert prefill";
  });
}

// Where the searches start: roughly right values, the same whatever rows are left out.
void set_starts(Fitted& f) {
  Calibration& c = f.calibration;
  for (GemmEquation* e : {&c.gemm, &c.contiguous, &c.masked}) {
    e->tensor = 1, e->hbm = 0.8, e->write = 1.7, e->overlap = e == &c.gemm ? 5 : 2.5;
    e->step = {100'000}, e->tile = {500'000}, e->launch = {600'000};
  }
  for (AttentionEquation* e : {&c.decode, &c.prefill}) {
    e->tensor = 0.8, e->hbm = 0.9, e->overlap = 3;
    e->launch = {3'000'000}, e->tile = {1'000'000};
  }
  c.decode.edge = 16, c.decode.chunk = 128, c.decode.combine = {2'000'000}, c.prefill.edge = 64;
  c.gap = {1'000'000};
  c.memory.floor = {1'500'000};
  for (const char* library : {"fa3", "flashinfer"}) {
    HarnessLimits& decode = f.harness[std::string("mla decode, ") + library];
    decode.cached = 1.5, decode.cache = 35e6, decode.warm = 0.2e-6, decode.library = 1.05;
    HarnessLimits& prefill = f.harness[std::string("mla prefill, ") + library];
    prefill.floor = 620e-6, prefill.sequence = 2e-6, prefill.offset = 200e-6;
    prefill.library = 1.08, prefill.burst = 0.1;
  }
  HarnessLimits& experts = f.harness["expert prefill"];
  experts.floor = 390e-6, experts.offset = 50e-6, experts.library = 1.08, experts.burst = 0.1;
  f.harness["expert decode"].offset = 5e-6, f.harness["expert decode"].expert = 0.5e-6;
}
}  // namespace

void fit_kernels(Fitted& fitted, const std::vector<Measurement>& measurements, const CalibrationInput& input,
                 int without) {
  set_starts(fitted);
  Calibration& c = fitted.calibration;
  Fit fit(fitted, measurements, input, without);
  for (int round = 0; round < 2; ++round) {  // they share the gap, and the memory-bound kernels' rates and floor
    fit.run(gemm_knobs({&c.gemm}), kDensePower, of_kind("gemm"));
    fit_mla_decode(fit);
    fit_mla_prefill(fit);
  }
  fit_grouped(fit);
}
}  // namespace moesim::compute
