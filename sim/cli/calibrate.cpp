// moesim calibrate: fits the kernel equations to tables of measured kernels.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "compute/calibrate.h"
#include "core/files.h"
#include "spec/catalogue.h"

namespace moesim {
namespace {
struct Options {
  CalibrationInput input;
  std::string gpu = "h800", out;
  bool rows = false, json = false;
};

void print_rows(const CalibrationInput& input, CalibrationResult& result) {
  fmt::print("{:<16} {:<64} {:>12} {:>12} {:>8}\n", "kind", "shape", "measured us", "predicted us", "error");
  for (const Sample& s : result.samples) {
    const double time = predict(s, input.gpu, result.calibration, result.harness[s.kind]);
    fmt::print("{:<16} {:<64} {:>12.2f} {:>12.2f} {:>+7.1f}%{}\n", s.kind, s.shape, s.seconds * 1e6, time * 1e6,
               (time / s.seconds - 1) * 100, s.held_out ? " held out" : "");
  }
}

nlohmann::json to_json(const Residuals& r) {
  return {
      {"rows", r.rows}, {"median", r.median}, {"p90", r.ninetieth}, {"worst", r.worst}, {"worst_shape", r.worst_shape}};
}

void print_json(const CalibrationResult& result) {
  nlohmann::json out;
  for (const auto& [key, r] : result.fitted) out[key]["fitted"] = to_json(r);
  for (const auto& [key, r] : result.held_out) out[key]["held_out"] = to_json(r);
  for (const auto& [key, n] : result.host_bound) out[key]["host_bound"] = n;
  fmt::print("{}\n", out.dump(2));
}

void print_table(const CalibrationResult& result) {
  fmt::print("{:<26} {:>28}  {:>28}  {:>10}\n", "", "fitted", "held out", "host-bound");
  fmt::print("{:<26} {:>7}{:>7}{:>7}{:>7}  {:>7}{:>7}{:>7}{:>7}  {:>10}\n", "kind, group", "rows", "median", "p90",
             "worst", "rows", "median", "p90", "worst", "rows");
  for (const auto& [key, r] : result.fitted) {
    const auto held = result.held_out.find(key);
    const Residuals h = held == result.held_out.end() ? Residuals{} : held->second;
    const auto host = result.host_bound.find(key);
    fmt::print("{:<26} {:>7}{:>6.1f}%{:>6.1f}%{:>6.1f}%  {:>7}{:>6.1f}%{:>6.1f}%{:>6.1f}%  {:>10}\n", key, r.rows,
               r.median * 100, r.ninetieth * 100, r.worst * 100, h.rows, h.median * 100, h.ninetieth * 100,
               h.worst * 100, host == result.host_bound.end() ? 0 : host->second);
    fmt::print("{:<26} worst: {}\n", "", r.worst_shape);
  }
}

void run(Options& o) {
  if (!o.out.empty()) check_new_file(o.out);
  o.input.gpu = load_gpu(o.gpu);
  CalibrationResult result = calibrate(o.input);
  if (o.json)
    print_json(result);
  else if (o.rows)
    print_rows(o.input, result);
  else
    print_table(result);
  if (!o.out.empty()) write_file(o.out, calibration_yaml(result, o.input));
}
}  // namespace

void add_calibrate(CLI::App& app, int&) {
  CLI::App* verb = app.add_subcommand("calibrate", "fit the kernel equations to tables of measured kernels");
  auto o = std::make_shared<Options>();
  verb->add_option("--gemm", o->input.gemm, "CSV of single FP8 products: layout,groups,m_per_group,n,k,tflops")
      ->required();
  verb->add_option("--tables", o->input.folder,
                   "folder with h100_{expert_gemm,mla}_{decode,prefill}.csv (NVIDIA aiconfigurator)")
      ->required();
  verb->add_option("--gpu", o->gpu, "the GPU measured")->capture_default_str();
  verb->add_option("--seed", o->input.seed, "draws the held-out fifth and the uneven loads")->capture_default_str();
  verb->add_option("--draws", o->input.draws, "draws of each unknown uneven load")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  verb->add_option("--evaluations", o->input.evaluations, "of each fit")
      ->capture_default_str()
      ->check(CLI::Range(10, 100000));
  verb->add_option("-o,--output", o->out, "write the calibration here (YAML)");
  verb->add_flag("--rows", o->rows, "print every row instead of the summary");
  verb->add_flag("--json", o->json, "print one JSON object");
  verb->callback([o] { run(*o); });
}
}  // namespace moesim
