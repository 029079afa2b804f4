// Folders of measured collectives and exchange kernels: which files can be read, and what each row is predicted to
// take.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "network/collectives/collective.h"

namespace moesim::network {

/// Who made the kernels of a collective: the library of collectives, or an inference engine.
enum class CallMode { library, graph, eager };

/// A collective on GPUs of one node, nothing else running.
struct CollectiveRow {
  Collective what = Collective::all_reduce;
  int gpus = 0;
  Bytes bytes{};          // as collective_time() takes them
  bool in_switch = true;  // false: numbers that NVSwitches do not add up
  CallMode mode = CallMode::library;
  std::string engine;  // of an engine's call: "sglang"
};

/// One dispatch or combine under uniform routing, on nodes of 8 GPUs.
struct ExchangeRow {
  ExchangeSpec spec;
  int nodes = 1, tokens = 0, top_k = 0, experts = 0;  // tokens of a GPU
  bool notify = false;  // the kernel before it, by which the GPUs tell each other their counts
};

/// One measured row.
struct NetworkRow {
  std::string kind, precision, gpu, library, shape;
  std::vector<std::string> groups;  // the classes that its error counts in
  std::variant<CollectiveRow, ExchangeRow> call;
  double seconds = 0;
  bool disturbed = false;  // a larger one was 15 % faster: something else ran during the measurement.  Not fitted
};

/// The beginnings of names by which tables are told, each with "_" after it.
std::vector<std::string> network_table_names();
bool is_network_table(const std::string& file);
/// The rows of one file, times in us.  Throws ConfigError at file and line for missing columns, a GPU that is not in
/// the catalogue, more bytes a second than the data sheet's links carry, and two rows of one call that disagree by more
/// than a quarter.
std::vector<NetworkRow> read_network_table(const std::string& file);

/// Clusters of one GPU and closed forms of its calls, each made once.
class RowModel {
 public:
  explicit RowModel(const spec::Gpu& gpu);
  ~RowModel();
  /// Seconds.
  double operator()(const NetworkRow& row, const NetworkCalibration& calibration) const;

 private:
  struct Clusters;
  std::unique_ptr<Clusters> clusters_;
};

/// Seconds that the calibrations in force predict for the rows, in their order.
std::vector<double> predicted_in_force(const std::vector<NetworkRow>& rows);
}  // namespace moesim::network
