#include "network/fitting/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <tuple>

#include "network/fitting/row_reader.h"
#include "spec/catalogue.h"

namespace moesim::network {
namespace {
using Reader = std::vector<NetworkRow> (*)(const std::string&);
/// By the beginning of a file's name; of the last three the columns are those of an older release.
constexpr std::pair<std::string_view, Reader> kReaders[] = {{"nccl", read_nccl},
                                                            {"engine_allreduce", read_engine_all_reduce},
                                                            {"deepep_ll", read_low_latency},
                                                            {"deepep_normal", read_normal},
                                                            {"h100_nccl", read_nccl_2025},
                                                            {"h100_all_to_all_low_latency", read_low_latency_2025},
                                                            {"h100_all_to_all_normal", read_normal_2025}};

Reader reader_of(const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  for (const auto& [begin, reader] : kReaders)
    if (name.starts_with(std::string(begin) + "_") || name == std::string(begin) + ".csv") return reader;
  return nullptr;
}

/// The model in a device's full name: the second word of "NVIDIA H100 80GB HBM3".
std::string catalogue_name(std::string_view device) {
  if (!device.starts_with("NVIDIA ")) return std::string(device);
  device.remove_prefix(7);
  std::string out(device.substr(0, device.find(' ')));
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return out;
}

/// The rates that no kernel can pass: links of the data sheet that the bytes must cross.
struct Crossing {
  double nvlink = 0, adapters = 0;  // bytes that one GPU sends at least
};
Crossing least_sent(const NetworkRow& row) {
  if (const auto* c = std::get_if<CollectiveRow>(&row.call)) {
    const double bytes = double(c->bytes.v), n = c->gpus;
    return {c->what == Collective::all_reduce ? bytes : bytes * (n - 1) / n, 0};
  }
  const ExchangeRow& e = std::get<ExchangeRow>(row.call);
  if (e.notify) return {};
  const double copies = e.spec.kernel == ExchangeKernel::deepep_normal
                            ? kGpusPerNode * reach(e.experts, double(e.experts) / kGpusPerNode / e.nodes, e.top_k)
                            : double(e.top_k) / e.nodes;  // on a node
  const double crossings = e.spec.kernel == ExchangeKernel::deepep_normal
                               ? (e.nodes - 1) * reach(e.experts, double(e.experts) / e.nodes, e.top_k)
                               : double(e.top_k) * (e.nodes - 1) / e.nodes;
  const double bytes = double(e.tokens) * double(e.spec.row.v);
  return {bytes * copies * (kGpusPerNode - 1) / kGpusPerNode, bytes * crossings};
}

/// Of rows that differ in nothing but their size, marks those that one of at least twice the size beats by 15 %.
void mark_disturbed(std::vector<NetworkRow>& rows) {
  constexpr double kFaster = 1.15;
  const auto size = [](const NetworkRow& r) {
    if (const auto* c = std::get_if<CollectiveRow>(&r.call)) return double(c->bytes.v);
    return double(std::get<ExchangeRow>(r.call).tokens);
  };
  const auto key = [](const NetworkRow& r) {
    if (const auto* c = std::get_if<CollectiveRow>(&r.call))
      return std::tuple(r.gpu, r.library, r.kind, r.precision, name_of(c->what), c->gpus, int(c->mode), 0, 0,
                        std::int64_t(0));
    const ExchangeRow& e = std::get<ExchangeRow>(r.call);
    return std::tuple(r.gpu, r.library, r.kind, r.precision, std::string_view(), e.nodes, e.top_k, e.experts,
                      e.spec.sms, e.spec.row.v);
  };
  std::map<decltype(key(rows.front())), std::vector<NetworkRow*>> series;
  for (NetworkRow& row : rows) series[key(row)].push_back(&row);
  for (auto& [of, list] : series)
    for (NetworkRow* row : list)
      row->disturbed = std::ranges::any_of(list, [&](const NetworkRow* larger) {
        return size(*larger) >= 2 * size(*row) && larger->seconds * kFaster < row->seconds;
      });
}
}  // namespace

double reach(int experts, double part, int top_k) {
  double miss = 1;
  for (int i = 0; i < top_k; ++i) miss *= std::max(0.0, (experts - part - i) / (experts - i));
  return 1 - miss;
}

const spec::Gpu& RowReader::gpu(std::size_t row) {
  const std::string name = catalogue_name(csv_.text(row, gpu_));
  const auto found = gpus_.find(name);
  if (found != gpus_.end()) return found->second;
  try {
    return gpus_.emplace(name, spec::load_gpu(name)).first->second;
  } catch (const ConfigError& e) {
    csv_.fail(row, fmt::format("{}: {}", gpu_, e.what()));
  }
}

NetworkRow RowReader::start(std::size_t row, std::string_view kind, std::string_view precision, std::string_view time,
                            double unit) {
  NetworkRow r;
  r.kind = kind, r.precision = precision;
  r.gpu = gpu(row).name;
  r.seconds = csv_.number(row, time) * unit;
  if (!(r.seconds > 0)) csv_.fail(row, fmt::format("{}: expected a time above 0", time));
  return r;
}

void RowReader::finish(std::size_t row, NetworkRow r) {
  constexpr double kRepeated = 1.25;  // more than this apart it is not the same kernel
  constexpr Bandwidth kAdapter = 400_Gbps;
  const auto check_rate = [&](double bytes, Bandwidth line, std::string_view what) {
    if (bytes > line.v * r.seconds)
      csv_.fail(row, fmt::format("{}: {:.0f} GB/s is above the {} of {}, {:.0f}", r.shape, bytes / r.seconds * 1e-9,
                                 what, r.gpu, line.v * 1e-9));
  };
  const Crossing sent = least_sent(r);
  check_rate(sent.nvlink, gpu(row).nvlink, "NVLink rate");
  check_rate(sent.adapters, kAdapter, "adapter rate");
  const std::string key = fmt::format("{} {} {} {} {}", r.gpu, r.library, r.kind, r.precision, r.shape);
  const auto [at, fresh] = seen_.emplace(key, r.seconds);
  if (!fresh && std::max(at->second / r.seconds, r.seconds / at->second) > kRepeated)
    csv_.fail(row, fmt::format("{}: an earlier row gives {:.4g} us, this one {:.4g} us", r.shape, at->second * 1e6,
                               r.seconds * 1e6));
  out_.push_back(std::move(r));
}

std::vector<NetworkRow> RowReader::take() {
  mark_disturbed(out_);
  return std::move(out_);
}

std::vector<std::string> network_table_names() {
  std::vector<std::string> out;
  for (const auto& [name, reader] : kReaders) out.emplace_back(name);
  return out;
}
bool is_network_table(const std::string& file) { return reader_of(file) != nullptr; }
std::vector<NetworkRow> read_network_table(const std::string& file) {
  const Reader reader = reader_of(file);
  if (!reader) throw ConfigError(fmt::format("{}: the name begins as no kind of table", file));
  return reader(file);
}
}  // namespace moesim::network
