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

/// A file and what its name says.
struct TableFile {
  std::string file, kind;  // the beginning of its name
};

/// A serving system's memory-bound kernel.
inline MemoryOp moved(MemoryKind kind, double bytes) {
  return {kind, Bytes{std::int64_t(bytes)}, is_tuned_for_serving(kind)};
}

/// Turns the rows of one table into measurements, and refuses those that cannot be.
class RowReader {
 public:
  explicit RowReader(const formats::CsvTable& csv) : csv_(csv) {}
  /// A row's measurement with GPU, library, time (column time_us) and harness; bench "KIND PRECISION".
  Measurement start(std::size_t row, std::string_view kind, std::string_view precision);
  /// Bytes of the row's GPU's second-level cache.
  double l2(std::size_t row) { return double(gpu(row).l2.v); }
  /// Checks the measurement against the data sheet and the rows before, and keeps it.
  void finish(std::size_t row, Measurement measurement);
  std::vector<Measurement> take() { return std::move(out_); }

 private:
  const spec::Gpu& gpu(std::size_t row);
  const formats::CsvTable& csv_;
  std::map<std::string, spec::Gpu, std::less<>> gpus_;
  std::map<std::string, double> seen_;
  std::vector<Measurement> out_;
};

std::vector<Measurement> read_products(const TableFile& table);
std::vector<Measurement> read_attention(const TableFile& table);
std::vector<Measurement> read_latent_attention(const TableFile& table);
}  // namespace moesim::compute
