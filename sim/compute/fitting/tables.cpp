#include "compute/fitting/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "compute/fitting/measured_rows.h"
#include "core/paths.h"
#include "spec/arithmetic.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
using Reader = std::vector<Measurement> (*)(const TableFile&);
/// By the beginning of a file's name; the longest that fits.
constexpr std::pair<std::string_view, Reader> kReaders[] = {{"gemm", read_products},
                                                            {"attention_prefill", read_attention},
                                                            {"attention_decode", read_attention},
                                                            {"mla_decode_core", read_latent_attention},
                                                            {"mla_prefill_core", read_latent_attention}};

const std::pair<std::string_view, Reader>* reader_of(const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  for (const auto& reader : kReaders)
    if (name.starts_with(std::string(reader.first) + "_")) return &reader;
  return nullptr;
}

struct RowKernel {
  spec::Dtype operator()(const MemoryOp&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const SmallChain&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const auto& k) const { return k.dtype; }
};
}  // namespace

const spec::Gpu& RowReader::gpu(std::size_t row) {
  const std::string_view name = csv_.text(row, "gpu");
  const auto found = gpus_.find(name);
  if (found != gpus_.end()) return found->second;
  try {
    return gpus_.emplace(std::string(name), spec::load_gpu(std::string(name))).first->second;
  } catch (const ConfigError& e) {
    csv_.fail(row, fmt::format("gpu: {}", e.what()));
  }
}

Measurement RowReader::start(std::size_t row, std::string_view kind, std::string_view precision) {
  Measurement s;
  s.kind = kind, s.precision = precision;
  s.gpu = gpu(row).name;
  s.library = csv_.text(row, "kernel");
  s.bench = fmt::format("{} {}", kind, precision);
  s.harness = Harness::graph;
  s.repeats = 20;  // of the benchmark's replays, back to back
  s.seconds = csv_.number(row, "time_us") * 1e-6;
  if (!(s.seconds > 0)) csv_.fail(row, "time_us: expected a time above 0");
  return s;
}

void RowReader::finish(std::size_t row, Measurement s) {
  constexpr double kRepeated = 1.25;  // more than this apart it is not the same kernel
  const spec::Gpu& g = gpu(row);
  for (const Kernel& kernel : s.sequences.front()) {
    const spec::Dtype dtype = std::visit(RowKernel{}, kernel);
    if (!spec::computes_in(g, dtype)) csv_.fail(row, fmt::format("{} has no {} arithmetic", g.name, name_of(dtype)));
    const double rate = flops_of(kernel).v / s.seconds, peak = spec::peak_of(g, dtype).v;
    if (rate > peak)
      csv_.fail(row, fmt::format("{}: {:.0f} TFLOP/s is above the {} peak of {}, {:.0f}", s.shape, rate * 1e-12,
                                 name_of(dtype), g.name, peak * 1e-12));
  }
  const std::string key = fmt::format("{} {} {} {}", s.gpu, s.library, s.bench, s.shape);
  const auto [at, fresh] = seen_.emplace(key, s.seconds);
  if (!fresh && std::max(at->second / s.seconds, s.seconds / at->second) > kRepeated)
    csv_.fail(row, fmt::format("{}: an earlier row gives {:.4g} us, this one {:.4g} us", s.shape, at->second * 1e6,
                               s.seconds * 1e6));
  out_.push_back(std::move(s));
}

bool is_kernel_table(const std::string& file) { return reader_of(file) != nullptr; }
std::vector<Measurement> read_kernel_table(const std::string& file) {
  const auto* reader = reader_of(file);
  if (!reader) throw ConfigError(fmt::format("{}: the name begins as no kind of table", file));
  return reader->second({file, std::string(reader->first)});
}

std::map<std::string, Benchmark> load_benchmarks(const std::string& generation) {
  const Config config = Config::load(catalogue_file("hardware", "kernels-" + generation, "kernel calibration", {""}));
  std::map<std::string, Benchmark> out;
  if (!config.has("benchmarks")) return out;
  for (const Config& item : config.at("benchmarks").items()) {
    const Benchmark b = read<Benchmark>(item);
    out[b.of] = b;
  }
  return out;
}

HarnessLimits limits_of(const Benchmark& b, const spec::Gpu& gpu) {
  return {.offset = seconds(b.offset),
          .cache = std::max(b.cache * double(gpu.l2.v), 1.0),
          .cached = b.cached,
          .burst = b.burst > Time{} ? seconds(b.burst) : 1e9};
}
}  // namespace moesim::compute
