// Fits the few parameters of hardware/network-h800.yaml and network-h100.yaml to published measurements of single
// exchange kernels and collectives, and prints what is left of them.  Same input, same output.
//
//     network_calibration_bench [FOLDER]    FOLDER: the measurement tables, h100_*.csv
//
// A row is fitted if its group below says so; all other rows of the tables are printed as predictions.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "core/random.h"
#include "network/collective.h"
#include "network/exchange.h"

namespace moesim {
namespace {
using Kernel = NetworkCalibration::Kernel;
using Protocol = NetworkCalibration::Protocol;

/// One measured exchange under uniform routing.
struct ExchangeRow {
  std::string name;
  ExchangeSpec spec;
  int gpus, hidden, tokens, top_k, experts;
  double measured;  // seconds
  bool fitted;
};

Cluster cluster_of(int gpus, Bandwidth nvlink) {
  Cluster c;
  c.node.gpus = c.node.nics = 8;
  c.nodes = std::max(1, gpus / 8);
  c.node.gpu.nvlink = nvlink;
  c.node.nic = 400_Gbps;
  c.fabric.same_leaf_latency = 2800_ns;   // arXiv:2505.09343, table of 64-byte latencies: InfiniBand, same leaf
  c.fabric.cross_leaf_latency = 3700_ns;  // the same table: InfiniBand, cross leaf
  c.fabric.nvlink_latency = 3330_ns;      // the same table: NVLink
  return c;
}

/// Share of tokens that reach a set of `part` of `experts` with top_k distinct uniform choices.
double reach(int experts, double part, int top_k) {
  double miss = 1;
  for (int i = 0; i < top_k; ++i) miss *= std::max(0.0, (experts - part - i) / (experts - i));
  return 1 - miss;
}

/// Groups and clusters are made once: they do not depend on what is fitted.
class ExchangeModel {
 public:
  explicit ExchangeModel(Bandwidth nvlink) {
    for (const int gpus : {8, 16, 32}) {
      topologies_.push_back(std::make_unique<Topology>(cluster_of(gpus, nvlink)));
      groups_.emplace(gpus, ExchangeGroup(*topologies_.back(), GpuId{0}, gpus));
    }
  }
  double operator()(const ExchangeRow& row, const Kernel& kernel) const {
    NetworkCalibration c;
    c.normal_dispatch = c.normal_combine = c.low_latency_dispatch = c.low_latency_combine = kernel;
    ExchangeSums sums;
    const auto n = std::size_t(row.gpus), nodes = n / 8;
    sums.tokens = double(row.tokens) * row.gpus;
    sums.slot_rows.assign(std::size_t(row.experts), sums.tokens * row.top_k / row.experts);
    sums.gpu_rows.assign(n, double(row.tokens) * row.top_k);
    sums.fan_out.gpu_reach.assign(n, reach(row.experts, double(row.experts) / row.gpus, row.top_k));
    sums.fan_out.node_reach.assign(nodes, reach(row.experts, double(row.experts) / double(nodes), row.top_k));
    std::vector<Time> arrival(n);
    ExchangeTimes(groups_.at(row.gpus), c, row.spec)(sums, arrival);
    return seconds(arrival[0]);
  }

 private:
  std::vector<std::unique_ptr<Topology>> topologies_;
  std::map<int, ExchangeGroup> groups_;
};

/// Lowest mean absolute log error plus a share of the worst one, by random steps along single axes that adapt.
std::vector<double> fit(std::vector<double> best,
                        const std::function<std::vector<double>(const std::vector<double>&)>& errors, int steps,
                        double weight_of_worst) {
  const auto cost = [&](const std::vector<double>& x) {
    double sum = 0, worst = 0;
    const std::vector<double> all = errors(x);
    for (const double e : all) {
      sum += std::abs(e);
      worst = std::max(worst, std::abs(e));
    }
    return sum / double(all.size()) + weight_of_worst * worst;
  };
  Random random(1, "fit");
  std::vector<double> step(best.size(), 0.3);
  double least = cost(best);
  for (int i = 0; i < steps; ++i) {
    if (i % (steps / 4) == 0) std::ranges::fill(step, 0.3);  // start over from the best so far
    const auto axis = std::size_t(random.below(best.size()));
    std::vector<double> next = best;
    next[axis] *= std::exp(random.normal() * step[axis]);
    const double c = cost(next);
    if (c < least) {
      least = c;
      best = next;
      step[axis] = std::min(1.0, step[axis] * 1.6);
    } else {
      step[axis] = std::max(1e-3, step[axis] * 0.93);
    }
  }
  return best;
}

void residuals(std::string_view what, std::vector<double> errors) {
  for (double& e : errors) e = std::abs(e);
  std::sort(errors.begin(), errors.end());
  if (errors.empty()) return;
  fmt::print("{:<58} {:>5} rows  median {:>5.1f} %  90 % {:>5.1f} %  worst {:>5.1f} %\n", what, errors.size(),
             100 * errors[errors.size() / 2], 100 * errors[errors.size() * 9 / 10], 100 * errors.back());
}

std::vector<std::map<std::string, std::string>> read_csv(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::map<std::string, std::string>> rows;
  std::vector<std::string> header;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells;
    std::istringstream text(line);
    for (std::string cell; std::getline(text, cell, ',');) {
      if (!cell.empty() && cell.back() == '\r') cell.pop_back();
      cells.push_back(cell);
    }
    if (header.empty()) {
      header = cells;
      continue;
    }
    auto& row = rows.emplace_back();
    for (std::size_t i = 0; i < std::min(header.size(), cells.size()); ++i) row[header[i]] = cells[i];
  }
  return rows;
}

/// Each number's line says where it comes from.
struct Sources {
  std::string_view nvlink, nic, fixed, copy;
};
void print_yaml(std::string_view key, const Kernel& k, const Sources& from) {
  const auto line = [](std::string_view name, const std::string& value, std::string_view source) {
    fmt::print("  {:<30}# {}\n", fmt::format("{}: {}", name, value), source);
  };
  fmt::print("{}:\n", key);
  line("nvlink_share", fmt::format("{:.3f}", k.nvlink_share), from.nvlink);
  line("nic_share", fmt::format("{:.3f}", k.nic_share), from.nic);
  line("launch", fmt::format("{:.2f} us", seconds(k.launch) * 1e6), from.fixed);
  if (k.row_rate.v > 0) line("row_rate", fmt::format("{:.2f} GB/s", k.row_rate.v / 1e9), from.fixed);
  if (k.count.v > 0) line("count", fmt::format("{:.2f} ns", seconds(k.count) * 1e9), from.fixed);
  if (k.message.v > 0) line("message", fmt::format("{} B", k.message.v), from.copy);
  if (k.sm_rate.v > 0) line("sm_rate", fmt::format("{:.1f} GB/s", k.sm_rate.v / 1e9), from.copy);
  if (k.sm_rate.v > 0) line("overlap", fmt::format("{:.2f}", k.overlap), from.copy);
  if (k.forward_tail > 0) line("forward_tail", fmt::format("{:.3f}", k.forward_tail), from.nic);
}

ExchangeSpec spec_of(ExchangeKernel kernel, ExchangeDirection direction, int hidden, int sms, bool nvlink) {
  return {kernel, direction, direction == ExchangeDirection::dispatch ? fp8_row(hidden) : bf16_row(hidden), sms,
          nvlink};
}
constexpr auto kDispatch = ExchangeDirection::dispatch, kCombine = ExchangeDirection::combine;

std::vector<double> errors_of(const ExchangeModel& model, const std::vector<ExchangeRow>& rows, const Kernel& kernel) {
  std::vector<double> out;
  for (const ExchangeRow& row : rows) out.push_back(std::log(model(row, kernel) / row.measured));
  return out;
}
std::vector<double> relative(std::vector<double> logs) {
  for (double& e : logs) e = std::exp(e) - 1;
  return logs;
}
std::vector<ExchangeRow> only(const std::vector<ExchangeRow>& rows, bool fitted) {
  std::vector<ExchangeRow> out;
  for (const ExchangeRow& row : rows)
    if (row.fitted == fitted) out.push_back(row);
  return out;
}
/// Every n-th of many, so that a fit takes seconds.
std::vector<ExchangeRow> some(const std::vector<ExchangeRow>& rows, std::size_t most) {
  std::vector<ExchangeRow> out;
  const std::size_t stride = std::max<std::size_t>(1, rows.size() / most);
  for (std::size_t i = 0; i < rows.size(); i += stride) out.push_back(rows[i]);
  return out;
}

// ---- H100: tables of one node -------------------------------------------------------------------------------------

std::vector<ExchangeRow> h100_normal(const std::string& folder, ExchangeDirection direction) {
  std::vector<ExchangeRow> out;
  for (const auto& r : read_csv(folder + "/h100_all_to_all_normal.csv")) {
    const int hidden = std::stoi(r.at("hidden_size")), tokens = std::stoi(r.at("num_token")),
              top_k = std::stoi(r.at("num_topk")), sms = std::stoi(r.at("dispatch_sms"));
    const double us = std::stod(r.at(direction == kDispatch ? "dispatch_transmit_us" : "combine_transmit_us"));
    out.push_back({fmt::format("hidden {} tokens {} top {} SMs {}", hidden, tokens, top_k, sms),
                   spec_of(ExchangeKernel::normal, direction, hidden, sms, true), 8, hidden, tokens, top_k,
                   std::stoi(r.at("num_experts")), us * 1e-6,
                   tokens >= 2048 && tokens <= 16384 && top_k >= 6 && sms >= 12});
  }
  return out;
}
std::vector<ExchangeRow> h100_low_latency(const std::string& folder, ExchangeDirection direction) {
  std::vector<ExchangeRow> out;
  for (const auto& r : read_csv(folder + "/h100_all_to_all_low_latency.csv")) {
    const int hidden = std::stoi(r.at("hidden_size")), experts = std::stoi(r.at("num_experts"));
    const double us = std::stod(r.at(direction == kDispatch ? "dispatch_avg_t_us" : "combine_avg_t_us"));
    const int tokens = std::stoi(r.at("num_token"));
    out.push_back({fmt::format("hidden {} tokens {} top {} of {}", hidden, tokens, r.at("num_topk"), experts),
                   spec_of(ExchangeKernel::low_latency, direction, hidden, 1, true), 8, hidden, tokens,
                   std::stoi(r.at("num_topk")), experts, us * 1e-6,
                   experts >= 128 && tokens <= 256 && std::stoi(r.at("num_topk")) >= 4});
  }
  return out;
}

Kernel normal_kernel(const std::vector<double>& x) {
  Kernel k;
  k.nvlink_share = std::min(1.0, x[0]);
  k.launch = from_seconds(x[1]);
  k.sm_rate = {x[2]};
  k.message = {std::int64_t(x[3])};
  k.overlap = std::max(1.0, x[4]);
  return k;
}
Kernel low_latency_kernel(const std::vector<double>& x) {
  Kernel k;
  k.nvlink_share = std::min(1.0, x[0]);
  k.launch = from_seconds(x[1]);
  k.row_rate = {x[2]};
  k.message = {std::int64_t(x[3])};
  k.count = from_seconds(x[4]);
  return k;
}

void report(std::string_view what, const ExchangeModel& model, const std::vector<ExchangeRow>& rows, const Kernel& k,
            std::string_view rest, std::vector<double>& together) {
  const std::vector<double> errors = relative(errors_of(model, only(rows, true), k));
  residuals(fmt::format("{}, fitted", what), errors);
  together.insert(together.end(), errors.begin(), errors.end());
  residuals(fmt::format("{}, predicted: {}", what, rest), relative(errors_of(model, only(rows, false), k)));
  std::vector<ExchangeRow> fitted = only(rows, true);
  std::ranges::sort(fitted, std::greater<>(),
                    [&](const ExchangeRow& row) { return std::abs(std::log(model(row, k) / row.measured)); });
  for (std::size_t i = 0; i < std::min<std::size_t>(3, fitted.size()); ++i)
    fmt::print("    worst: {:<40} measured {:>9.1f} us  model {:>9.1f} us\n", fitted[i].name, fitted[i].measured * 1e6,
               model(fitted[i], k) * 1e6);
}

// ---- Collectives of one node --------------------------------------------------------------------------------------

struct CollectiveRow {
  Collective what;
  int gpus;
  Bytes bytes;
  double measured;
};
/// A message's size is in elements: of half, 2 bytes; of int8, 1.
std::vector<CollectiveRow> nccl_rows(const std::string& folder) {
  const std::map<std::string, Collective> names = {{"all_gather", Collective::all_gather},
                                                   {"all_reduce", Collective::all_reduce},
                                                   {"alltoall", Collective::all_to_all},
                                                   {"reduce_scatter", Collective::reduce_scatter}};
  std::vector<CollectiveRow> out;
  for (const auto& r : read_csv(folder + "/h100_nccl_one_node.csv"))
    out.push_back({names.at(r.at("op_name")),
                   std::stoi(r.at("num_gpus")),
                   {std::stoll(r.at("message_size")) * (r.at("nccl_dtype") == "half" ? 2 : 1)},
                   std::stod(r.at("latency")) * 1e-3});
  return out;
}
/// The tables have no second node: what normal kernels reach through the same adapters on H800.
constexpr double kNicShare = 0.884;
std::vector<Protocol> protocols(const std::vector<double>& x) {
  std::vector<Protocol> out;
  for (std::size_t i = 0; i + 2 < x.size(); i += 3)
    out.push_back({std::min(1.0, x[i]), kNicShare, from_seconds(x[i + 1]), std::max(1_ns, from_seconds(x[i + 2]))});
  return out;
}
std::vector<double> collective_errors(const Topology& topology, const std::vector<CollectiveRow>& rows,
                                      const std::vector<Protocol>& p) {
  NetworkCalibration c;
  c.collectives = p;
  std::vector<double> out;
  std::vector<GpuId> members;
  for (std::uint32_t g = 0; g < 8; ++g) members.push_back(GpuId{g});
  for (const CollectiveRow& row : rows) {
    const Time t = collective_time(topology, c, row.what, CollectiveAlgorithm::best,
                                   std::span(members).first(std::size_t(row.gpus)), row.bytes);
    out.push_back(std::log(seconds(t) / row.measured));
  }
  return out;
}

// ---- H800: published single measurements --------------------------------------------------------------------------

/// DeepEP README: normal kernels, 4096 tokens, hidden 7168, top-8, 24 SMs; logical GB/s counts every distinct GPU (one
/// node) or node (several), the sender's own included.
std::vector<ExchangeRow> h800_normal() {
  std::vector<ExchangeRow> out;
  struct Published {
    int gpus;
    double dispatch, combine;
  };
  for (const Published& p : {Published{8, 153, 158}, Published{16, 43, 43}, Published{32, 58, 57}})
    for (const ExchangeDirection direction : {kDispatch, kCombine}) {
      const double parts = p.gpus == 8 ? 8 : p.gpus / 8;
      const double copies = parts * reach(256, 256 / parts, 8);
      const double bytes = 4096 * copies * 7168 * 2 * (direction == kDispatch ? (1 + 4 / 128.0) / 2 : 1);
      const double rate = (direction == kDispatch ? p.dispatch : p.combine) * 1e9;
      out.push_back({fmt::format("normal {} EP{}", direction == kDispatch ? "dispatch" : "combine", p.gpus),
                     spec_of(ExchangeKernel::normal, direction, 7168, 24, true), p.gpus, 7168, 4096, 8, 256,
                     bytes / rate, true});
    }
  return out;
}
/// DeepEP README: low-latency kernels, 128 tokens, hidden 7168, top-8; us with NVLink and with adapters only.
std::vector<ExchangeRow> h800_low_latency() {
  std::vector<ExchangeRow> out;
  struct Published {
    int gpus;
    double dispatch, combine, dispatch_rdma, combine_rdma;
  };
  for (const Published& p :
       {Published{8, 77, 114, 163, 318}, Published{16, 118, 195, 173, 329}, Published{32, 155, 273, 182, 350}})
    for (const bool nvlink : {true, false})
      for (const ExchangeDirection direction : {kDispatch, kCombine}) {
        const double us =
            direction == kDispatch ? (nvlink ? p.dispatch : p.dispatch_rdma) : (nvlink ? p.combine : p.combine_rdma);
        out.push_back({fmt::format("low latency {} EP{}{}", direction == kDispatch ? "dispatch" : "combine", p.gpus,
                                   nvlink ? "" : ", adapters only"),
                       spec_of(ExchangeKernel::low_latency, direction, 7168, 1, nvlink), p.gpus, 7168, 128, 8, 256,
                       us * 1e-6, true});
      }
  return out;
}

/// One group of 8 in a cluster of two nodes, so that adapters exist: the published adapters-only rows at EP8.
class H800 {
 public:
  H800() : eight_(cluster_of(16, 200_GBps)), group8_(eight_, GpuId{0}, 8), larger_(200_GBps) {}
  double operator()(const ExchangeRow& row, const Kernel& kernel) const {
    if (row.gpus > 8 || row.spec.nvlink) return larger_(row, kernel);
    NetworkCalibration c;
    c.low_latency_dispatch = c.low_latency_combine = kernel;
    ExchangeSums sums;
    sums.tokens = 8.0 * row.tokens;
    sums.gpu_rows.assign(8, double(row.tokens) * row.top_k);
    sums.fan_out.gpu_reach.assign(8, reach(row.experts, row.experts / 8.0, row.top_k));
    sums.fan_out.node_reach.assign(1, 1);
    std::vector<Time> arrival(8);
    ExchangeTimes(group8_, c, row.spec)(sums, arrival);
    return seconds(arrival[0]);
  }
  std::vector<double> errors(const std::vector<ExchangeRow>& rows,
                             const std::function<Kernel(const ExchangeRow&)>& kernel) const {
    std::vector<double> out;
    for (const ExchangeRow& row : rows) out.push_back(std::log((*this)(row, kernel(row)) / row.measured));
    return out;
  }

 private:
  Topology eight_;
  ExchangeGroup group8_;
  ExchangeModel larger_;
};

std::vector<Kernel> fit_h800(Kernel normal_dispatch, Kernel normal_combine) {
  const H800 model;
  std::vector<ExchangeRow> all = h800_normal();
  const auto normal = [&](const std::vector<double>& x) {
    return [&, x](const ExchangeRow& row) {
      Kernel k = row.spec.direction == kDispatch ? normal_dispatch : normal_combine;  // SMs and launch as on H100
      k.nvlink_share = std::min(1.0, x[0]);
      k.nic_share = std::min(1.0, x[1]);
      k.forward_tail = std::min(1.0, x[2]);
      return k;
    };
  };
  const std::vector<double> n = fit(
      {0.7, 0.85, 0.05}, [&](const auto& x) { return model.errors(all, normal(x)); }, 3000, 0.5);
  std::vector<ExchangeRow> low = h800_low_latency();
  const auto low_latency = [](const std::vector<double>& x) {
    return [x](const ExchangeRow&) {
      Kernel k;
      k.nvlink_share = std::min(1.0, x[0]);
      k.nic_share = std::min(1.0, x[1]);
      k.launch = from_seconds(x[2]);
      return k;
    };
  };
  const std::vector<double> l = fit(
      {0.8, 0.9, 20e-6}, [&](const auto& x) { return model.errors(low, low_latency(x)); }, 3000, 0.3);
  std::vector<double> every;
  const auto rows = [&](const std::vector<ExchangeRow>& list, const std::vector<double>& errors) {
    for (std::size_t i = 0; i < list.size(); ++i)
      fmt::print("  {:<44} measured {:>7.1f} us  model {:>7.1f} us  {:>+6.1f} %\n", list[i].name,
                 list[i].measured * 1e6, list[i].measured * std::exp(errors[i]) * 1e6, 100 * (std::exp(errors[i]) - 1));
    every.insert(every.end(), errors.begin(), errors.end());
  };
  fmt::print("\nH800, 3 parameters for the 6 normal rows, 3 for the 12 low-latency rows\n");
  rows(all, model.errors(all, normal(n)));
  rows(low, model.errors(low, low_latency(l)));
  residuals("H800, all", relative(every));
  return {normal(n)(all[0]), normal(n)(all[1]), low_latency(l)(low[0]), low_latency(l)(low[0])};
}

void print_files(const std::vector<Kernel>& h800, std::vector<Kernel> h100, const std::vector<Protocol>& collectives) {
  constexpr std::string_view kKeys[] = {"normal_dispatch", "normal_combine", "low_latency_dispatch",
                                        "low_latency_combine"};
  constexpr std::string_view kReadme = "fitted: DeepEP README, normal and low-latency kernels on H800",
                             kTables = "fitted: aiconfigurator tables, DeepEP on one node of H100",
                             kNccl = "fitted: aiconfigurator tables, NCCL on one node of H100";
  const auto print_collectives = [&] {
    fmt::print("collectives:\n");
    for (const Protocol& p : collectives)
      fmt::print("  - {{nvlink_share: {:.3f}, nic_share: {:.3f}, launch: {:.2f} us, step: {:.3f} us}}  # {}\n",
                 p.nvlink_share, p.nic_share, seconds(p.launch) * 1e6, seconds(p.step) * 1e6, kNccl);
  };
  fmt::print("\n# hardware/network-h800.yaml\n");
  for (std::size_t i = 0; i < 4; ++i)
    print_yaml(kKeys[i], h800[i], {kReadme, kReadme, i < 2 ? kTables : kReadme, kTables});
  print_collectives();
  fmt::print("\n# hardware/network-h100.yaml\n");
  for (std::size_t i = 0; i < 4; ++i) {
    h100[i].nic_share = h800[i].nic_share;  // the same adapters, and no table of several nodes
    h100[i].forward_tail = h800[i].forward_tail;
    print_yaml(kKeys[i], h100[i], {kTables, kReadme, kTables, kTables});
  }
  print_collectives();
}

int run(const std::string& folder) {
  const ExchangeModel h100(450_GBps);
  std::vector<Kernel> normal, low;
  std::vector<double> together;
  for (const ExchangeDirection direction : {kDispatch, kCombine}) {
    const std::string_view name = direction == kDispatch ? "dispatch" : "combine";
    const std::vector<ExchangeRow> rows = h100_normal(folder, direction);
    const std::vector<ExchangeRow> sample = some(only(rows, true), 160);
    normal.push_back(normal_kernel(fit(
        {0.72, 35e-6, 2e10, 1500, 4}, [&](const auto& x) { return errors_of(h100, sample, normal_kernel(x)); }, 4000,
        0.7)));
    report(fmt::format("H100 normal {}", name), h100, rows, normal.back(),
           "< 2048 or > 16384 tokens, top-k < 6, < 12 SMs", together);
    const std::vector<ExchangeRow> ll = h100_low_latency(folder, direction);
    const std::vector<ExchangeRow> lls = only(ll, true);
    low.push_back(low_latency_kernel(fit(
        {0.55, 7e-6, 8e9, 100, 5e-9}, [&](const auto& x) { return errors_of(h100, lls, low_latency_kernel(x)); }, 4000,
        0.7)));
    report(fmt::format("H100 low latency {}", name), h100, ll, low.back(), "> 256 tokens, < 128 experts, top-k < 4",
           together);
  }
  residuals("H100 exchanges, all fitted rows", together);
  const Topology node(cluster_of(8, 450_GBps));
  const std::vector<CollectiveRow> collectives = nccl_rows(folder);
  std::vector<CollectiveRow> large;
  for (const CollectiveRow& row : collectives)
    if (row.bytes >= 64_KiB) large.push_back(row);
  const std::vector<double> x = fit(
      {0.1, 4.5e-6, 0.8e-6, 0.4, 9e-6, 1e-6, 0.6, 20e-6, 1e-6, 0.8, 50e-6, 1e-6},
      [&](const auto& v) { return collective_errors(node, collectives, protocols(v)); }, 3000, 0.1);
  residuals("H100 collectives of one node, fitted", relative(collective_errors(node, collectives, protocols(x))));
  residuals("H100 collectives of one node, 64 KiB and more", relative(collective_errors(node, large, protocols(x))));
  for (const auto& [name, what] : EnumNames<Collective>::table)
    for (const int gpus : {2, 4, 8}) {
      std::vector<CollectiveRow> part;
      for (const CollectiveRow& row : collectives)
        if (row.what == what && row.gpus == gpus) part.push_back(row);
      residuals(fmt::format("  {} of {}", name, gpus), relative(collective_errors(node, part, protocols(x))));
    }
  print_files(fit_h800(normal[0], normal[1]), {normal[0], normal[1], low[0], low[1]}, protocols(x));
  return 0;
}
}  // namespace
}  // namespace moesim

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : SOURCE_DIR "/../shared/data/kernels";
  if (!std::filesystem::exists(folder + "/h100_all_to_all_normal.csv")) {
    fmt::print(stderr, "{}: no measurement tables there\n", folder);
    return 2;
  }
  return moesim::run(folder);
}
