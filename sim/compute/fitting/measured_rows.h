// What reading any table of measured kernels shares: GPUs by name, times, and the checks a row must pass.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "compute/fitting/measurements.h"
#include "formats/csv.h"

namespace moesim::compute {

inline constexpr std::int64_t kMostRows = 10'000'000;  // of sizes in a table: no product overflows
inline constexpr std::int64_t kMostExperts = 100'000;
inline constexpr std::int64_t kFewTokens = 64;  // errors of expert layers count apart up to these
inline constexpr int kDraws = 5;                // of a power-law row's unknown loads, as many as the benchmarks took

/// A file and what its name says.
struct TableFile {
  std::string file, kind;  // the beginning of its name
};

/// A serving system's memory-bound kernel.
inline MemoryOp moved(MemoryKind kind, double bytes) {
  return {kind, Bytes{std::int64_t(bytes)}, is_tuned_for_serving(kind)};
}

/// A row's sequences, their new tokens and cached ones each.
struct Sequences {
  std::int64_t batch = 0, fresh = 0, cached = 0;
  std::int64_t tokens() const { return batch * fresh; }
  std::int64_t keys() const { return cached + fresh; }
  auto operator<=>(const Sequences&) const = default;
};
Sequences sequences_of(const formats::CsvTable& csv, std::size_t row);

/// The catalogue's GPU.  Throws ConfigError at the row if there is none of that name.
spec::Gpu load_measured_gpu(const formats::CsvTable& csv, std::size_t row, std::string_view name);
/// Throws ConfigError at the row if the GPU lacks a kernel's arithmetic, or a kernel's rate is above the peak or, of
/// what no cache can hold, above the memory's bandwidth.
void check_rates(const formats::CsvTable& csv, std::size_t row, const spec::Gpu& gpu, const Measurement& measurement);

/// FLOPs over the peak.
double least_seconds(const spec::Gpu& gpu, const Kernel& kernel);

/// Turns the rows of one table into measurements, and refuses those that cannot be.
class RowReader {
 public:
  explicit RowReader(const formats::CsvTable& csv) : csv_(csv) {}
  /// A row's measurement with GPU, time (from the column in us) and harness, its library the column `kernel`'s; bench
  /// "KIND PRECISION".
  Measurement start(std::size_t row, std::string_view kind, std::string_view precision) {
    return start(row, kind, precision, csv_.text(row, "kernel"), "time_us");
  }
  Measurement start(std::size_t row, std::string_view kind, std::string_view precision, std::string_view library,
                    std::string_view time);
  /// A row that is held to what a simulation says; its library the column `library`'s.
  Measurement start_simulated(std::size_t row, std::string_view kind, std::string_view precision);
  /// Bytes of the row's GPU's second-level cache.
  double l2(std::size_t row) { return double(gpu(row).l2.v); }
  /// Checks the measurement against the data sheet and the rows before, and keeps it.
  void finish(std::size_t row, Measurement measurement);
  /// The row stays out, for a reason that is counted.
  void leave_out(const std::string& reason) { ++out_.left_out[reason]; }
  KernelTable take() { return std::move(out_); }

  const spec::Gpu& gpu(std::size_t row);
  /// Whether the calibration of the row's GPU has products of `library`.
  bool has(std::size_t row, ExpertLibrary library);

 private:
  const formats::CsvTable& csv_;
  std::map<std::string, spec::Gpu, std::less<>> gpus_;
  std::map<std::string, Calibration> in_force_;  // by generation
  std::map<std::string, double> seen_;
  KernelTable out_;
};

KernelTable read_products(const TableFile& table);
KernelTable read_attention(const TableFile& table);
KernelTable read_latent_attention(const TableFile& table);
KernelTable read_expert_layers(const TableFile& table);
KernelTable read_wide_fp4_experts(const TableFile& table);
KernelTable read_quantising(const TableFile& table);
KernelTable read_modules(const TableFile& table);
KernelTable read_delta_scans(const TableFile& table);
KernelTable read_mamba_scans(const TableFile& table);
KernelTable read_sparse_kernels(const TableFile& table);
KernelTable read_hyper_connections(const TableFile& table);
KernelTable read_encoder_attention(const TableFile& table);
}  // namespace moesim::compute
