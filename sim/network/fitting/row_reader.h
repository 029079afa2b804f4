// What reading any table of measured collectives and exchanges shares: GPUs by name, times, and what a row must pass.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/csv.h"
#include "network/fitting/tables.h"

namespace moesim::network {

inline constexpr int kGpusPerNode = 8;

/// Turns the rows of one table into measurements, and refuses those that cannot be.
class RowReader {
 public:
  /// gpu: the column that names the row's GPU; of a device's full name ("NVIDIA H100 80GB HBM3") the model counts.
  RowReader(const formats::CsvTable& csv, std::string_view gpu) : csv_(csv), gpu_(gpu) {}
  /// A row's measurement with its GPU; `time` in units of `unit` seconds.
  NetworkRow start(std::size_t row, std::string_view kind, std::string_view precision, std::string_view time,
                   double unit);
  const spec::Gpu& gpu(std::size_t row);
  /// Checks the measurement against the data sheet and the rows before, and keeps it.
  void finish(std::size_t row, NetworkRow measurement);
  std::vector<NetworkRow> take();

 private:
  const formats::CsvTable& csv_;
  std::string_view gpu_;
  std::map<std::string, spec::Gpu, std::less<>> gpus_;
  std::map<std::string, double> seen_;
  std::vector<NetworkRow> out_;
};

/// Share of tokens that reach `part` of `experts` with top_k distinct choices, all equally likely.
double reach(int experts, double part, int top_k);

std::vector<NetworkRow> read_nccl(const std::string& file);
std::vector<NetworkRow> read_nccl_2025(const std::string& file);
std::vector<NetworkRow> read_engine_all_reduce(const std::string& file);
std::vector<NetworkRow> read_low_latency(const std::string& file);
std::vector<NetworkRow> read_low_latency_2025(const std::string& file);
std::vector<NetworkRow> read_normal(const std::string& file);
std::vector<NetworkRow> read_normal_2025(const std::string& file);
}  // namespace moesim::network
