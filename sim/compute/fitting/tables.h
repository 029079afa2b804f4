// Folders of measured kernels: which files can be read, and how far a calibration is from each row of them.
#pragma once
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compute/fitting/calibrate.h"

namespace moesim::compute {

/// Whether the file's name begins as that of a table of kernels.
bool is_kernel_table(const std::string& file);
/// Of a table of what nothing here has a cost for, why that is; "" of others.
std::string_view why_not_read(const std::string& file);
/// The rows of one file: columns gpu, library, kernel and what its kind of kernel needs, times in us.  Throws
/// ConfigError at file and line for missing columns, a GPU or a format that is not known, a rate above the data sheet's
/// peak, and two rows of one shape that disagree by more than a quarter.
KernelTable read_kernel_table(const std::string& file);

/// What the benchmark of a table adds to the kernels, as a calibration entry keeps it for its GPUs.
struct Benchmark {
  std::string of;       // the Measurement's bench
  double cache = 0.4;   // share of the L2 cache that stays from one repetition to the next
  double cached = 1.5;  // speed-up of traffic that hits it
  Time burst{};         // of work before the clock falls to its sustained value
  Time offset{};        // kernels that the row's list leaves out
  Time floor{};         // the host needs to issue a row's kernels
  Time sequence{};      // the GPU waits for it for each sequence
  Time expert{};        // an expert held, with rows or without; of fused layers a million scores of a grouped gate
  Time warm{};          // that a kernel whose data is in the cache starts sooner
  double library = 1;   // speed of products in the library measured, over that of the published table
  double moves = 1;     // speed of its kernels that move routed rows, over the training profile's
  static void fields(auto& f, auto& p) {
    f.required("of", p.of, "kind of row and number format");
    f("cache", p.cache, "share of the L2 cache that stays from one repetition to the next");
    f("cached", p.cached, "speed-up of traffic that hits it");
    f("burst", p.burst, "of work before the clock falls to its sustained value");
    f("offset", p.offset, "kernels that the row's list leaves out");
    f("floor", p.floor, "the host needs to issue a row's kernels");
    f("sequence", p.sequence, "the GPU waits for it for each sequence");
    f("expert", p.expert, "an expert held, with rows or without");
    f("warm", p.warm, "that a kernel whose data is in the cache starts sooner");
    f("library", p.library, "speed of products in the library measured, over the published table's");
    f("moves", p.moves, "speed of its kernels that move routed rows, over the training profile's");
  }
};
/// Those of the calibration of `generation`, by bench.
std::map<std::string, Benchmark> load_benchmarks(const std::string& generation);
HarnessLimits limits_of(const Benchmark& benchmark, const spec::Gpu& gpu);

/// A calibration and its benchmarks, while they are fitted to tables.
struct TableFitResult {
  Calibration calibration;
  std::map<std::string, Benchmark> benchmarks;
  std::vector<std::string> fitted;  // benches whose rows were
};
/// Fits, from the values that `fit` holds, the equations of every kind that `rows` have, all of one GPU; the fold
/// `without` is left out (-1: none).  evaluations: of each stage.
void fit_tables(TableFitResult& fit, const spec::Gpu& gpu, const std::vector<Measurement>& rows, int without,
                int evaluations);
/// What was fitted, as a catalogue entry over the one in force.
std::string table_fit_yaml(const TableFitResult& fit, const spec::Gpu& gpu, const std::vector<Measurement>& rows);
/// Of a section of a calibration: the bench its rows have.
inline constexpr std::pair<std::string_view, std::string_view> kSectionBenches[] = {
    {"gemm_2026", "product fp8_block"},
    {"gemm", "product fp8_block"},
    {"gemm_bf16", "product bfloat16"},
    {"gemm_tokens", "product fp8"},
    {"gemm_fp4", "product nvfp4"},
    {"prefill", "mla prefill core bfloat16"},
    {"prefill_latent_fp8", "mla prefill core fp8"},
    {"prefill_heads", "attention prefill bfloat16"},
    {"prefill_heads_fp8", "attention prefill fp8"},
    {"decode", "mla decode core bfloat16"},
    {"decode_latent_fp8", "mla decode core fp8"},
    {"decode_heads", "attention decode bfloat16"},
    {"decode_heads_fp8", "attention decode fp8"},
    {"serving_moves", "quantise"}};

/// Errors of the rows of one kind, number format, GPU, library and class.
struct ClassResiduals {
  std::string kind, precision, gpu, library, group;
  Residuals residuals;
  double bias = 0;  // median of predicted over measured, less 1
};
/// Means over classes by rows, of those that tell of kernels (not of the host that launched them); 0 of none.
KernelError mean_error(const std::vector<ClassResiduals>& classes);

/// Sorts rows of tables into classes.  Row: kind, precision, gpu, library, groups, shape and seconds, as Measurement
/// has.
class ResidualClasses {
 public:
  void add(const auto& row, const std::vector<std::string>& groups, double predicted) {
    const double ratio = predicted / row.seconds;
    for (const std::string& group : groups) {
      Errors& errors = classes_[{row.kind, row.gpu, row.precision, group, row.library}];
      errors.sizes.emplace_back(std::abs(ratio - 1), row.shape);
      errors.ratios.push_back(ratio);
    }
  }
  /// Those of one kind and GPU beside each other.
  std::vector<ClassResiduals> take();

 private:
  struct Errors {
    std::vector<std::pair<double, std::string>> sizes;
    std::vector<double> ratios;
  };
  std::map<std::array<std::string, 5>, Errors> classes_;
};
/// Of the calibrations in force, for every class of rows; those of one kind and GPU beside each other.
std::vector<ClassResiduals> residuals_in_force(const std::vector<Measurement>& rows);
/// Each row with its time by the calibrations in force, and whether it waited for its host.
void for_each_in_force(const std::vector<Measurement>& rows,
                       const std::function<void(const Measurement&, double seconds, bool host)>& use);
/// Of one fit, for the rows that `use` picks; all are of `gpu`.
std::vector<ClassResiduals> residuals_of(const TableFitResult& fit, const spec::Gpu& gpu,
                                         const std::vector<Measurement>& rows, bool (*use)(const Measurement&));
}  // namespace moesim::compute
