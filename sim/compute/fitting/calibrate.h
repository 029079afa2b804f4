// Fits the kernel equations to measured tables and says how well they hold, on the fitted rows and on a held-out fifth.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "compute/fitting/measurements.h"

namespace moesim::compute {

struct CalibrationInput {
  spec::Gpu gpu;       // the one measured
  std::string gemm;    // table of single FP8 products
  std::string folder;  // of the expert and MLA tables: h100_{expert_gemm,mla}_{decode,prefill}.csv
  std::uint64_t seed = 1;
  int draws = 8;          // of each power-law row's unknown loads
  int evaluations = 400;  // of each stage of a fit
  int repeats = 1;        // rounds in which each fifth of the rows is held out once
};

/// Relative errors of one kind and group of rows: |predicted / measured - 1|.
struct Residuals {
  std::size_t rows = 0;
  double median = 0, ninetieth = 0, worst = 0;
  std::string worst_shape;
};
Residuals residuals_of(std::vector<std::pair<double, std::string>> errors);

/// What a fit finds: the equations' parameters, and what each harness adds.
struct Fitted {
  Calibration calibration;
  std::map<std::string, HarnessLimits> harness;  // by bench
};
/// Fits to the known rows, the fold `without` left out (-1: none).
void fit_kernels(Fitted& fitted, const std::vector<Measurement>& measurements, const CalibrationInput& input,
                 int without);

struct CalibrationResult {
  Fitted fit;  // to all rows
  std::vector<Measurement> measurements;
  /// By "kind, group": all rows under the fit to all; and over the fits that leave out a fifth, the rows each was
  /// fitted to and the rows it left out.
  std::map<std::string, Residuals> all, fitted, held_out;
  /// Rows of an eager harness that its host limits, not the GPU: left out of the residuals, counted by the same key.
  std::map<std::string, std::size_t> host_bound;
};

/// Reads the tables, fits to all rows, and again to four fifths of them for each fifth in `repeats` seeded rounds.
/// Throws ConfigError for a table that lacks columns, has no numbers, or holds a time below what the data sheet allows.
CalibrationResult calibrate(const CalibrationInput& input);
/// A published rate of one kernel, and what a calibration gives for it.
struct RateCheck {
  std::string source;
  std::string use;  // "solved" or "set": a parameter comes from it; "compared", "at most": none does
  std::string kernel;
  double low = 0, high = 0, predicted = 0;  // in `unit`
  std::string unit;
  double error() const;  // relative, from the nearer end of the published range; 0 inside
};
/// The rates of products, attention and memory-bound kernels in DeepSeek's training profile, FlashMLA's best, and
/// FlashAttention-3 on other heads than MLA's.
std::vector<RateCheck> published_rates(const Calibration& calibration, const spec::Gpu& gpu);

/// The catalogue file: every value with its source.
std::string calibration_yaml(const CalibrationResult& result, const CalibrationInput& input);
}  // namespace moesim::compute
