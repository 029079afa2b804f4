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
using Reader = KernelTable (*)(const TableFile&);
constexpr std::uint64_t kSeed = 1;

// Expert and MLA layers of DeepSeek-V3 in wide expert parallelism: projections and moves around the core included.
KernelTable read_wide(const TableFile& table) {
  const bool decode = table.kind.ends_with("decode");
  return {table.kind.starts_with("wideep_mla") ? read_wide_mla_table(table.file, decode)
                                               : read_wide_expert_table(table.file, decode, kDraws, kSeed),
          {}};
}
// The same as first published: the GPU stands in the file's name.
KernelTable read_published(const TableFile& table) {
  const std::string name = std::filesystem::path(table.file).filename().string();
  const bool decode = name.starts_with(table.kind + "_decode");
  if (!decode && !name.starts_with(table.kind + "_prefill"))
    throw ConfigError(fmt::format("{}: the name must go on with _decode or _prefill", table.file));
  return {table.kind == "h100_mla" ? read_mla_table(table.file, decode, "h100")
                                   : read_expert_table(table.file, decode, kDraws, kSeed, "h100"),
          {}};
}

/// By the beginning of a file's name.
constexpr std::pair<std::string_view, Reader> kReaders[] = {{"gemm", read_products},
                                                            {"attention_prefill", read_attention},
                                                            {"attention_decode", read_attention},
                                                            {"mla_decode_core", read_latent_attention},
                                                            {"mla_prefill_core", read_latent_attention},
                                                            {"moe_layer", read_expert_layers},
                                                            {"moe_fp4", read_expert_layers},
                                                            {"moe_mxfp4", read_expert_layers},
                                                            {"moe_wideep_nvfp4", read_wide_fp4_experts},
                                                            {"wideep_expert_decode", read_wide},
                                                            {"wideep_expert_prefill", read_wide},
                                                            {"wideep_mla_decode", read_wide},
                                                            {"wideep_mla_prefill", read_wide},
                                                            {"h100_expert_gemm", read_published},
                                                            {"h100_mla", read_published},
                                                            {"quantize_fp8", read_quantising},
                                                            {"dsa_decode", read_modules},
                                                            {"dsa_prefill", read_modules},
                                                            {"dsa", read_modules},
                                                            {"v4_decode", read_modules},
                                                            {"v4_prefill", read_modules},
                                                            {"msa_decode", read_modules},
                                                            {"msa_prefill", read_modules},
                                                            {"mla_module", read_modules},
                                                            {"gdn", read_delta_scans},
                                                            {"kda", read_delta_scans},
                                                            {"mamba2", read_mamba_scans},
                                                            {"sparse_kernels", read_sparse_kernels},
                                                            {"mhc", read_hyper_connections},
                                                            {"encoder_attention", read_encoder_attention}};

const std::pair<std::string_view, Reader>* reader_of(const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  for (const auto& reader : kReaders)
    if (name.starts_with(std::string(reader.first) + "_") || name == std::string(reader.first) + ".csv") return &reader;
  return nullptr;
}

struct RowKernel {
  spec::Dtype operator()(const MemoryOp&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const SmallChain&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const IndexScores& x) const { return x.dtype(); }
  spec::Dtype operator()(const IndexTopK&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const SparsePrefill& a) const { return a.cache; }
  spec::Dtype operator()(const ShortConvolution&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const StateScan&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const StreamMix&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const auto& k) const { return k.dtype; }
};
}  // namespace

spec::Gpu load_measured_gpu(const formats::CsvTable& csv, std::size_t row, std::string_view name) {
  try {
    return spec::load_gpu(std::string(name));
  } catch (const ConfigError& e) {
    csv.fail(row, fmt::format("gpu: {}", e.what()));
  }
}

Sequences sequences_of(const formats::CsvTable& csv, std::size_t row) {
  const Sequences s{csv.integer(row, "batch", 1, kMostRows), csv.integer(row, "new_tokens", 1, kMostRows),
                    csv.integer(row, "cached_tokens", 0, kMostRows)};
  if (s.tokens() > kMostRows)
    csv.fail(row, fmt::format("new_tokens: expected at most {} of all sequences, got {}", kMostRows, s.tokens()));
  return s;
}

void check_rates(const formats::CsvTable& csv, std::size_t row, const spec::Gpu& g, const Measurement& s) {
  for (const Kernel& kernel : s.sequences.front()) {
    const spec::Dtype dtype = std::visit(RowKernel{}, kernel);
    if (!spec::computes_in(g, dtype)) csv.fail(row, fmt::format("{} has no {} arithmetic", g.name, name_of(dtype)));
    const double rate = flops_of(kernel).v / s.seconds, peak = spec::peak_of(g, dtype).v;
    if (s.seconds < least_seconds(g, kernel))
      csv.fail(row, fmt::format("{}: {:.0f} TFLOP/s is above the {} peak of {}, {:.0f}", s.shape, rate * 1e-12,
                                name_of(dtype), g.name, peak * 1e-12));
    // Whatever the caches held before, and keep of what is written: the rest crosses the memory's pins.  What a kernel
    // reads is our reading of the row: 7 % too much for heads whose values are narrower than their keys.
    constexpr double kReading = 1.25;
    const double bandwidth = (double(bytes_of(kernel).v) - 2 * double(g.l2.v)) / s.seconds;
    if (s.known && bandwidth > kReading * g.memory_bandwidth.v)
      csv.fail(row, fmt::format("{}: {:.3g} TB/s is above the memory bandwidth of {}, {:.3g}", s.shape,
                                bandwidth * 1e-12, g.name, g.memory_bandwidth.v * 1e-12));
  }
}

double least_seconds(const spec::Gpu& gpu, const Kernel& kernel) {
  return flops_of(kernel).v / spec::peak_of(gpu, std::visit(RowKernel{}, kernel)).v;
}

const spec::Gpu& RowReader::gpu(std::size_t row) {
  const std::string_view name = csv_.text(row, "gpu");
  const auto found = gpus_.find(name);
  if (found != gpus_.end()) return found->second;
  return gpus_.emplace(std::string(name), load_measured_gpu(csv_, row, name)).first->second;
}

bool RowReader::has(std::size_t row, ExpertLibrary library) {
  const std::string& generation = gpu(row).generation;
  if (!in_force_.contains(generation)) in_force_[generation] = load_calibration("kernels-" + generation);
  return has_library(in_force_[generation], library);
}

Measurement RowReader::start(std::size_t row, std::string_view kind, std::string_view precision,
                             std::string_view library, std::string_view time) {
  Measurement s;
  s.kind = kind, s.precision = precision;
  s.gpu = gpu(row).name;
  s.library = library;
  s.bench = fmt::format("{} {}", kind, precision);
  s.harness = Harness::graph;
  s.repeats = 20;  // of the benchmark's replays, back to back
  s.seconds = csv_.number(row, time) * 1e-6;
  if (!(s.seconds > 0)) csv_.fail(row, fmt::format("{}: expected a time above 0", time));
  return s;
}

Measurement RowReader::start_simulated(std::size_t row, std::string_view kind, std::string_view precision) {
  Measurement s = start(row, kind, precision, csv_.text(row, "library"), "time_us");
  s.harness = Harness::simulated;
  return s;
}

void RowReader::finish(std::size_t row, Measurement s) {
  // More than this apart it is not the same kernel.  Newer tables have two runs of one shape, whose few microseconds
  // differ by up to 1.9; nothing is fitted to them.
  const double repeated = s.harness == Harness::simulated ? 2 : 1.25;
  const spec::Gpu& g = gpu(row);
  check_rates(csv_, row, g, s);
  const std::string key = fmt::format("{} {} {} {}", s.gpu, s.library, s.bench, s.shape);
  const auto [at, fresh] = seen_.emplace(key, s.seconds);
  if (!fresh && std::max(at->second / s.seconds, s.seconds / at->second) > repeated)
    csv_.fail(row, fmt::format("{}: an earlier row gives {:.4g} us, this one {:.4g} us", s.shape, at->second * 1e6,
                               s.seconds * 1e6));
  out_.rows.push_back(std::move(s));
}

std::string_view why_not_read(const std::string& file) {
  constexpr std::pair<std::string_view, std::string_view> kWithoutCost[] = {
      {"megamoe_", "nothing here costs experts and their exchange as one kernel"},
      {"nvlink_alltoall_", "no kind of exchange here is TensorRT-LLM's"},
      {"power_", "watts are taken by what bounds a kernel, not by its kind"}};
  const std::string name = std::filesystem::path(file).filename().string();
  for (const auto& [begin, why] : kWithoutCost)
    if (name.starts_with(begin)) return why;
  return {};
}

bool is_kernel_table(const std::string& file) { return reader_of(file) != nullptr; }
KernelTable read_kernel_table(const std::string& file) {
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
  return {.floor = seconds(b.floor),
          .sequence = seconds(b.sequence),
          .offset = seconds(b.offset),
          .expert = seconds(b.expert),
          .cache = std::max(b.cache * double(gpu.l2.v), 1.0),
          .cached = b.cached,
          .warm = seconds(b.warm),
          .library = b.library,
          .moves = b.moves,
          .burst = b.burst > Time{} ? seconds(b.burst) : 1e9};
}
}  // namespace moesim::compute
