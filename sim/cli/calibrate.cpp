// moesim calibrate: fits the kernel equations to tables of measured kernels.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <cmath>

#include "cli/calibrate_folder.h"
#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "compute/fitting/calibrate.h"
#include "core/files.h"
#include "core/log.h"
#include "formats/json.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
struct Options {
  compute::CalibrationInput input;
  std::string folder, gpu, out;
  bool rows = false, json = false, no_fit = false;
};

void print_rows(const compute::CalibrationInput& input, compute::CalibrationResult& result) {
  print_text("{:<16} {:<64} {:>12} {:>12} {:>8}\n", "kind", "shape", "measured us", "predicted us", "error");
  for (const compute::Measurement& s : result.measurements) {
    const double time = compute::predict(s, input.gpu, result.fit.calibration, result.fit.harness[s.bench]);
    print_text("{:<16} {:<64} {:>12.2f} {:>12.2f} {:>+7.1f}%{}\n", s.kind, s.shape, s.seconds * 1e6, time * 1e6,
               (time / s.seconds - 1) * 100, s.known ? "" : " not fitted");
  }
}

formats::JsonValue to_json(const compute::Residuals& r) {
  return {
      {"rows", r.rows}, {"median", r.median}, {"p90", r.ninetieth}, {"worst", r.worst}, {"worst_shape", r.worst_shape}};
}

void print_json(const compute::CalibrationResult& result, const spec::Gpu& gpu) {
  formats::JsonValue out;  // keys sorted
  for (const auto& [key, r] : result.all) out[key]["all"] = to_json(r);
  for (const auto& [key, r] : result.fitted) out[key]["fitted"] = to_json(r);
  for (const auto& [key, r] : result.held_out) out[key]["held_out"] = to_json(r);
  for (const auto& [key, n] : result.host_bound) out[key]["host_bound"] = n;
  for (const compute::RateCheck& r : compute::published_rates(result.fit.calibration, gpu))
    out["published rates"].push_back({{"source", r.source},
                                      {"use", r.use},
                                      {"kernel", r.kernel},
                                      {"low", r.low},
                                      {"high", r.high},
                                      {"predicted", r.predicted},
                                      {"unit", r.unit},
                                      {"error", r.error()}});
  print_text("{}\n", formats::json_text(out, 2));
}

/// The fit to all rows; and the medians of the fits to four fifths: over the rows fitted, and over those left out.
void print_table(const compute::CalibrationResult& result) {
  print_text("{:<26} {:>28}  {:>24}  {:>10}\n", "", "fit to all rows", "each fifth held out", "host-bound");
  print_text("{:<26} {:>7}{:>7}{:>7}{:>7}  {:>8}{:>8}{:>8}  {:>10}\n", "kind, group", "rows", "median", "p90", "worst",
             "fitted", "left", "ratio", "rows");
  for (const auto& [key, r] : result.all) {
    const auto fitted = result.fitted.find(key), held = result.held_out.find(key);
    const double inside = fitted == result.fitted.end() ? 0 : fitted->second.median;
    const double outside = held == result.held_out.end() ? 0 : held->second.median;
    const auto host = result.host_bound.find(key);
    print_text("{:<26} {:>7}{:>6.1f}%{:>6.1f}%{:>6.1f}%  {:>7.1f}%{:>7.1f}%{:>8.2f}  {:>10}\n", key, r.rows,
               r.median * 100, r.ninetieth * 100, r.worst * 100, inside * 100, outside * 100,
               inside > 0 ? outside / inside : 0, host == result.host_bound.end() ? 0 : host->second);
    print_text("{:<26} worst: {}\n", "", r.worst_shape);
  }
}

/// What the harness of each table adds, in us and MB.
void print_harnesses(const compute::CalibrationResult& result) {
  print_text("\n{:<26} {:>7} {:>9} {:>7} {:>7} {:>6} {:>7} {:>6} {:>8} {:>6} {:>8}\n", "harness, us and MB", "floor",
             "sequence", "offset", "expert", "cache", "cached", "warm", "library", "moves", "burst");
  for (const auto& [name, h] : result.fit.harness) {
    if (name == "gemm" || name == "contiguous" || name == "masked") continue;  // timed alone
    print_text("{:<26} {:>7.1f} {:>9.3f} {:>7.2f} {:>7.3f} {:>6.1f} {:>7.2f} {:>6.2f} {:>8.3f} {:>6.3f} {:>8.3g}\n",
               name, h.floor * 1e6, h.sequence * 1e6, h.offset * 1e6, h.expert * 1e6, h.cache * 1e-6, h.cached,
               h.warm * 1e6, h.library, h.moves, h.burst * 1e6);
  }
}

void print_rates(const std::vector<compute::RateCheck>& rates) {
  print_text("\n{:<24} {:<9} {:<98} {:>11} {:>9} {:>8} {:>8}\n", "published rates", "use", "kernel", "published",
             "predicted", "", "error");
  for (const compute::RateCheck& r : rates)
    print_text("{:<24} {:<9} {:<98} {:>11} {:>9.0f} {:>8} {:>+7.1f}%\n", r.source, r.use, r.kernel,
               r.low == r.high ? fmt::format("{:.0f}", r.high) : fmt::format("{:.0f}-{:.0f}", r.low, r.high),
               r.predicted, r.unit, r.error() * 100);
}

void run(Options& o) {
  if (!o.out.empty()) check_new_file(o.out);
  if (!o.folder.empty()) {
    if (o.rows && !o.no_fit) throw ConfigError("--rows of a folder are those of --no-fit");
    if (o.rows && o.json) throw ConfigError("--rows of a folder are a table: leave out --json");
    if (o.no_fit && !o.out.empty()) throw ConfigError("--output takes a fit: leave out --no-fit");
    if (!o.gpu.empty()) o.gpu = spec::load_gpu(o.gpu).name;
    return calibrate_folder({o.folder, o.gpu, o.out, !o.no_fit, o.json, o.input.seed, o.input.evaluations, o.rows});
  }
  if (o.input.gemm.empty() || o.input.folder.empty())
    throw ConfigError("calibrate: name a folder of tables, or give both --gemm and --tables");
  o.input.gpu = spec::load_gpu(o.gpu.empty() ? "h800" : o.gpu);
  compute::CalibrationResult result = compute::calibrate(o.input);
  if (o.json)
    print_json(result, o.input.gpu);
  else if (o.rows)
    print_rows(o.input, result);
  else
    print_table(result), print_harnesses(result),
        print_rates(compute::published_rates(result.fit.calibration, o.input.gpu));
  if (!o.out.empty()) write_file(o.out, compute::calibration_yaml(result, o.input));
}
}  // namespace

void add_calibrate(CLI::App& app, int&) {
  CLI::App* verb = app.add_subcommand("calibrate", "fit the kernel equations to tables of measured kernels");
  auto o = std::make_shared<Options>();
  verb->add_option(
      "folder", o->folder,
      "folder of tables of any GPUs of the catalogue, the kind of each told by the beginning of its name: "
      "gemm_, attention_prefill_, attention_decode_, mla_prefill_core_, mla_decode_core_, moe_layer_, "
      "moe_fp4_, moe_mxfp4_, moe_wideep_nvfp4_, wideep_expert_, wideep_mla_, h100_expert_gemm_, h100_mla_, "
      "quantize_fp8_; nccl_, engine_allreduce_, deepep_ll_, deepep_normal_ (of these the fit is printed, not written); "
      "of newer models, held to the calibration in force and never fitted here: dsa_, v4_, msa_, mla_module_, gdn_, "
      "kda_, mamba2_, mhc_, sparse_kernels_, encoder_attention_");
  verb->add_flag("--no-fit", o->no_fit,
                 "print how far the calibrations in force are from the folder's rows, and which rows stay out and why");
  verb->add_option("--gemm", o->input.gemm, "CSV of single FP8 products: layout,groups,m_per_group,n,k,tflops");
  verb->add_option("--tables", o->input.folder,
                   "folder with h100_{expert_gemm,mla}_{decode,prefill}.csv (NVIDIA aiconfigurator)");
  verb->add_option("--gpu", o->gpu, "the GPU measured: h800 by default; of a folder, all GPUs by default");
  verb->add_option("--seed", o->input.seed, "draws the held-out fifth and the uneven loads")
      ->check(any_seed())
      ->capture_default_str();
  verb->add_option("--repeats", o->input.repeats, "rounds in which each fifth is held out once; 0: none")
      ->capture_default_str()
      ->check(whole_number(0, 100));
  verb->add_option("--draws", o->input.draws, "draws of each unknown uneven load")
      ->capture_default_str()
      ->check(whole_number(1, 1000));
  verb->add_option("--evaluations", o->input.evaluations, "of each stage of a fit")
      ->capture_default_str()
      ->check(whole_number(10, 100'000));
  add_output(*verb, "-o,--output", o->out, "calibration to create, YAML (default: none)");
  verb->add_flag("--rows", o->rows, "print every row instead of the summary; of a folder: with --no-fit");
  verb->add_flag("--json", o->json, "print JSON: of a folder a list of kinds, else one object");
  verb->callback([o] { run(*o); });
}
}  // namespace moesim::cli
