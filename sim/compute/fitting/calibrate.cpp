#include "compute/fitting/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "compute/kernels/equation_model.h"
#include "core/config.h"
#include "core/log.h"

namespace moesim::compute {
namespace {
// Rates in the published profile of DeepSeek-V3's training, on 112 of 132 SMs: middles of the ranges, TB/s.
void set_memory_rates(MemoryEquation& m, const spec::Gpu& gpu) {
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
void set_training_rates(Calibration& c, const spec::Gpu& gpu) {
  const AttentionHeads heads{spec::AttentionKind::mla, 128, 128, 192, 128, false};
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
        const Equations equations(gpu, c, Heat::sustained);
        const AttentionBackward kernel{heads, work};
        const double ends = 0.5e-3;  // its pre- and post-kernel take 0.25 ms each there
        return flops_of(kernel).v / (equations.seconds(kernel, {112, 1}) - seconds(c.gap) - ends);
      },
      473e12);
  const Gemm gradient{.m = 7168, .n = 16384, .k = 4096, .dtype = spec::Dtype::fp8, .fp32_accumulate = true};
  solve(
      c.gemm.accumulate,
      [&] {
        return flops_of(gradient).v / (Equations(gpu, c, Heat::sustained).seconds(gradient, {112, 1}) - seconds(c.gap));
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

void note_fitted_ranges(CalibrationResult& result) {
  Calibration& c = result.fit.calibration;
  for (const Measurement& s : result.measurements)
    for (const auto& sequence : s.sequences)
      for (const Kernel& kernel : sequence) {
        if (const auto* g = std::get_if<Gemm>(&kernel); g && g->dtype == spec::Dtype::fp8)
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
        if (const auto* m = std::get_if<MemoryOp>(&kernel); m && m->bytes.v > 0)
          note_range(c.memory.fitted, double(m->bytes.v), 0, 0);
      }
  note_range(c.backward.fitted, 4096, 128, 4096);
  note_range(c.memory.fitted, 1e9, 0, 0);  // activations of 4096 tokens in the profile
}

void read_tables(CalibrationResult& result, const CalibrationInput& in) {
  const auto add = [&](std::vector<Measurement> rows) {
    for (Measurement& s : rows) result.measurements.push_back(std::move(s));
  };
  add(read_gemm_table(in.gemm));
  add(read_expert_table(in.folder + "/h100_expert_gemm_decode.csv", true, in.draws, in.seed));
  add(read_expert_table(in.folder + "/h100_expert_gemm_prefill.csv", false, in.draws, in.seed));
  add(read_mla_table(in.folder + "/h100_mla_decode.csv", true));
  add(read_mla_table(in.folder + "/h100_mla_prefill.csv", false));
}

/// FLOPs of a row's kernels; the mean if its loads are drawn.
double flops_of_row(const Measurement& s) {
  double sum = 0;
  for (const auto& sequence : s.sequences)
    for (const Kernel& kernel : sequence) sum += flops_of(kernel).v;
  return sum / double(s.sequences.size());
}

void check_rows(const CalibrationResult& result, const CalibrationInput& in) {
  constexpr double kRepeated = 1.25;  // the tables hold a shape once; more than this apart it is not the same kernel
  std::map<std::string, double> seen;
  for (const Measurement& s : result.measurements) {
    const auto fail = [&](const std::string& why) {
      throw ConfigError(fmt::format("{} {}: {}", s.kind, s.shape, why));
    };
    if (!(s.seconds > 0)) fail("expected a time above 0");
    const double rate = flops_of_row(s) / s.seconds;
    if (rate > in.gpu.fp8.v) fail(fmt::format("{:.0f} TFLOP/s is above the FP8 peak of {}", rate * 1e-12, in.gpu.name));
    const auto [at, fresh] = seen.emplace(s.kind + " " + s.shape, s.seconds);
    if (!fresh && std::max(at->second / s.seconds, s.seconds / at->second) > kRepeated)
      fail(fmt::format("an earlier row gives {:.4g} us, this one {:.4g} us", at->second * 1e6, s.seconds * 1e6));
  }
  for (const char* kind : {"gemm", "contiguous", "masked"})
    if (std::ranges::none_of(result.measurements, [&](const Measurement& s) { return s.kind == kind; }))
      throw ConfigError(fmt::format("{}: has no {} rows", in.gemm, kind == std::string_view("gemm") ? "dense" : kind));
}

using Errors = std::map<std::string, std::vector<std::pair<double, std::string>>>;

/// Adds the relative errors of the rows that `use` picks.
void add_errors(Errors& errors, const CalibrationResult& result, const Fitted& fit, const spec::Gpu& gpu, auto use) {
  for (const Measurement& s : result.measurements) {
    if (!use(s)) continue;
    const std::string key = s.kind + ", " + s.group;
    const std::pair<double, std::string> error{
        std::abs(predict(s, gpu, fit.calibration, fit.harness.at(s.bench)) / s.seconds - 1), s.shape};
    errors[key].push_back(error);
    if (s.harness == Harness::kernel) errors["all products alone"].push_back(error);
  }
}
std::map<std::string, Residuals> residuals(Errors errors) {
  std::map<std::string, Residuals> out;
  for (auto& [key, of_key] : errors) out[key] = residuals_of(std::move(of_key));
  return out;
}

/// Drops the rows whose time is the host's, by the fit to all rows.
void drop_host_bound(CalibrationResult& result, const spec::Gpu& gpu) {
  std::erase_if(result.measurements, [&](const Measurement& s) {
    const HarnessLimits& h = result.fit.harness.at(s.bench);
    const bool host =
        s.harness == Harness::eager && ((!s.known && s.kind == "mla prefill") ||
                                        h.offset + predict_device(s, gpu, result.fit.calibration, h) < h.floor);
    result.host_bound[s.kind + ", " + s.group] += host;
    return host;
  });
}

void cross_validate(CalibrationResult& result, const Fitted& start, const CalibrationInput& in) {
  Errors fitted, held;
  Progress progress("holding out", std::uint64_t(in.repeats) * kFolds, "fifths");
  std::uint64_t done = 0;
  for (int round = 0; round < in.repeats; ++round) {
    hold_out(result.measurements, in.seed + std::uint64_t(round));
    for (int fold = 0; fold < kFolds; ++fold) {
      Fitted fit = start;
      fit_kernels(fit, result.measurements, in, fold);
      add_errors(fitted, result, fit, in.gpu, [&](const Measurement& s) { return s.fold != fold; });
      add_errors(held, result, fit, in.gpu, [&](const Measurement& s) { return s.fold == fold; });
      progress.at(++done);
    }
  }
  result.fitted = residuals(std::move(fitted)), result.held_out = residuals(std::move(held));
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
  check_rows(result, input);
  Fitted start;
  start.calibration.generation = input.gpu.generation;
  start.calibration.title = "single kernels on H800 and H100";
  start.calibration.sustained_clock = 865 / 989.4;
  start.calibration.sm_bandwidth = 2;
  start.calibration.memory.launched = {5'000'000};
  set_memory_rates(start.calibration.memory, input.gpu);
  start.calibration.serving_moves = load_calibration("kernels-hopper").serving_moves;  // fitted to tables of their own
  for (const Measurement& s : result.measurements) start.harness[s.bench] = {};
  result.fit = start;
  fit_kernels(result.fit, result.measurements, input, -1);
  Calibration& c = result.fit.calibration;
  c.memory.replayed = c.gap + c.memory.floor;
  set_training_rates(c, input.gpu);
  note_fitted_ranges(result);
  drop_host_bound(result, input.gpu);
  Errors all;
  add_errors(all, result, result.fit, input.gpu, [](const Measurement&) { return true; });
  result.all = residuals(std::move(all));
  cross_validate(result, start, input);
  return result;
}
}  // namespace moesim::compute
