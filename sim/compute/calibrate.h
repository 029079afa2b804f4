// Fits the kernel equations to measured tables and says how well they hold, on the fitted rows and on a held-out fifth.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "compute/measurements.h"

namespace moesim {

struct CalibrationInput {
  Gpu gpu;             // the one measured
  std::string gemm;    // table of single FP8 products
  std::string folder;  // of the expert and MLA tables: h100_{expert_gemm,mla}_{decode,prefill}.csv
  std::uint64_t seed = 1;
  int draws = 16;          // of each power-law row's unknown loads
  int evaluations = 1500;  // of each fit
};

/// Relative errors of one kind and group of rows: |predicted / measured - 1|.
struct Residuals {
  std::size_t rows = 0;
  double median = 0, ninetieth = 0, worst = 0;
  std::string worst_shape;
};
Residuals residuals_of(std::vector<std::pair<double, std::string>> errors);

struct CalibrationResult {
  Calibration calibration;
  std::map<std::string, HarnessLimits> harness;  // by kind of row
  std::vector<Sample> samples;
  /// By "kind, group": fitted rows, and held out ones.
  std::map<std::string, Residuals> fitted, held_out;
  /// Rows of an eager harness that its host limits, not the GPU: left out of the residuals, counted by the same key.
  std::map<std::string, std::size_t> host_bound;
};

/// Reads the tables, holds out a seeded fifth of the rows, fits, and evaluates.  Throws ConfigError for a table that
/// lacks columns, has no numbers, or holds a time below what the data sheet allows.
CalibrationResult calibrate(const CalibrationInput& input);
/// The catalogue file: every value with its source.
std::string calibration_yaml(const CalibrationResult& result, const CalibrationInput& input);
}  // namespace moesim
