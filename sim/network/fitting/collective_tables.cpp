// Tables of collectives: those of the library (nccl-tests, out of place) and those that inference engines run instead.
#include <fmt/format.h>

#include "core/config_error.h"
#include "network/collectives/engine_all_reduce.h"
#include "network/fitting/row_reader.h"

namespace moesim::network {
namespace {
constexpr std::int64_t kMostBytes = std::int64_t(1) << 40;
constexpr std::pair<std::string_view, Collective> kNames[] = {{"all_gather", Collective::all_gather},
                                                              {"all_reduce", Collective::all_reduce},
                                                              {"alltoall", Collective::all_to_all},
                                                              {"reduce_scatter", Collective::reduce_scatter}};
Collective collective_of(const formats::CsvTable& csv, std::size_t r, std::string_view column) {
  const std::string_view text = csv.text(r, column);
  for (const auto& [name, what] : kNames)
    if (name == text) return what;
  csv.fail(r, fmt::format("{}: expected all_gather, all_reduce, alltoall or reduce_scatter, got \"{}\"", column, text));
}
/// Bytes of an element.
int width_of(const formats::CsvTable& csv, std::size_t r, std::string_view column) {
  const std::string_view dtype = csv.text(r, column);
  if (dtype == "half") return 2;
  if (dtype == "int8") return 1;
  csv.fail(r, fmt::format("{}: expected half or int8, got \"{}\"", column, dtype));
}
/// "sglang_eager", "graph"; TensorRT-LLM's name alone is a replay from a graph.
CallMode mode_of(const formats::CsvTable& csv, std::size_t r) {
  const std::string_view mode = csv.text(r, "mode");
  if (mode.ends_with("eager")) return CallMode::eager;
  if (mode.ends_with("graph") || mode == "trtllm") return CallMode::graph;
  csv.fail(r, fmt::format("mode: expected one that ends with graph or eager, got \"{}\"", mode));
}
/// The library's first word, of which the calibration of the row's GPU must have kernels.
std::string engine_of(const formats::CsvTable& csv, std::size_t r, const spec::Gpu& gpu) {
  const std::string_view library = csv.text(r, "library");
  std::string engine(library.substr(0, library.find(' ')));
  if (engine.empty()) csv.fail(r, "library: expected an engine's name");
  try {
    check_engine_kernels(network_calibration_for("auto", gpu), engine);
  } catch (const ConfigError& e) {
    csv.fail(r, fmt::format("library: {}", e.what()));
  }
  return engine;
}
void name_call(NetworkRow& row, const CollectiveRow& call) {
  row.shape = fmt::format("{} of {}, {} B", name_of(call.what), call.gpus, call.bytes.v);
  row.call = call;
}

struct CollectiveColumns {
  std::string_view gpu, collective, dtype, gpus, elements, time;
  double unit;  // seconds
};
/// A message's size is in elements.
std::vector<NetworkRow> read_library(const formats::CsvTable& csv, const CollectiveColumns& in,
                                     std::string (*library)(const formats::CsvTable&, std::size_t)) {
  RowReader reader(csv, in.gpu);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    CollectiveRow call;
    call.what = collective_of(csv, r, in.collective);
    const int width = width_of(csv, r, in.dtype);
    call.gpus = int(csv.integer(r, in.gpus, 2, kGpusPerNode));
    call.bytes = {csv.integer(r, in.elements, 1, kMostBytes) * width};
    call.in_switch = width > 1;
    NetworkRow row = reader.start(r, "nccl", csv.text(r, in.dtype), in.time, in.unit);
    row.library = library(csv, r);
    name_call(row, call);
    row.groups = {"all", std::string(name_of(call.what)), fmt::format("{} GPUs", call.gpus)};
    reader.finish(r, std::move(row));
  }
  return reader.take();
}
}  // namespace

std::vector<NetworkRow> read_nccl(const std::string& file) {
  const formats::CsvTable csv(file, {"gpu", "library", "collective", "dtype", "gpus", "elements", "time_us"});
  return read_library(csv, {"gpu", "collective", "dtype", "gpus", "elements", "time_us", 1e-6},
                      [](const formats::CsvTable& t, std::size_t r) { return std::string(t.text(r, "library")); });
}

std::vector<NetworkRow> read_nccl_2025(const std::string& file) {
  const formats::CsvTable csv(file,
                              {"version", "device", "op_name", "nccl_dtype", "num_gpus", "message_size", "latency"});
  return read_library(
      csv, {"device", "op_name", "nccl_dtype", "num_gpus", "message_size", "latency", 1e-3},
      [](const formats::CsvTable& t, std::size_t r) { return fmt::format("NCCL {}", t.text(r, "version")); });
}

std::vector<NetworkRow> read_engine_all_reduce(const std::string& file) {
  constexpr std::int64_t kSmall = 1 << 20;
  const formats::CsvTable csv(file, {"gpu", "library", "mode", "gpus", "bytes", "time_us"});
  RowReader reader(csv, "gpu");
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    CollectiveRow call;
    call.mode = mode_of(csv, r);
    call.engine = engine_of(csv, r, reader.gpu(r));
    call.gpus = int(csv.integer(r, "gpus", 2, kGpusPerNode));
    call.bytes = {csv.integer(r, "bytes", 1, kMostBytes)};
    NetworkRow row = reader.start(r, "engine all-reduce", "bfloat16", "time_us", 1e-6);
    row.library = csv.text(r, "library");
    name_call(row, call);
    const std::string_view mode = call.mode == CallMode::eager ? "eager" : "graph";
    row.shape += fmt::format(", {}", mode);
    row.groups = {fmt::format("{}, {} 1 MiB", mode, call.bytes.v > kSmall ? "over" : "to")};
    reader.finish(r, std::move(row));
  }
  return reader.take();
}
}  // namespace moesim::network
