// Measured exchange kernels, and what the closed form says of them.
#pragma once
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "calibration/fit.h"
#include "network/exchanges/exchange.h"

namespace moesim::calibration {
using Kernel = network::NetworkCalibration::Kernel;

/// One measured exchange under uniform routing.
struct ExchangeRow {
  std::string name;
  network::ExchangeSpec spec;
  int gpus, hidden, tokens, top_k, experts;
  double measured;  // seconds
  Use use;
};

inline spec::Cluster cluster_of(int gpus, Bandwidth nvlink) {
  spec::Cluster c;
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
inline double reach(int experts, double part, int top_k) {
  double miss = 1;
  for (int i = 0; i < top_k; ++i) miss *= std::max(0.0, (experts - part - i) / (experts - i));
  return 1 - miss;
}

/// Groups and clusters are made once: they do not depend on what is fitted.
class ExchangeModel {
 public:
  explicit ExchangeModel(Bandwidth nvlink) {
    for (const int gpus : {8, 16, 32}) {
      topologies_.push_back(std::make_unique<network::Topology>(cluster_of(gpus, nvlink)));
      groups_.emplace(gpus, network::ExchangeGroup(*topologies_.back(), GpuId{0}, gpus));
    }
  }
  double operator()(const ExchangeRow& row, const Kernel& kernel) const {
    network::NetworkCalibration c;
    c.normal_dispatch = c.normal_combine = c.low_latency_dispatch = c.low_latency_combine = kernel;
    exchange::ExchangeSums sums;
    const auto n = std::size_t(row.gpus), nodes = n / 8;
    sums.tokens = double(row.tokens) * row.gpus;
    sums.slot_rows.assign(std::size_t(row.experts), sums.tokens * row.top_k / row.experts);
    sums.gpu_rows.assign(n, double(row.tokens) * row.top_k);
    sums.fan_out.gpu_reach.assign(n, reach(row.experts, double(row.experts) / row.gpus, row.top_k));
    sums.fan_out.node_reach.assign(nodes, reach(row.experts, double(row.experts) / double(nodes), row.top_k));
    std::vector<Time> arrival(n);
    network::ExchangeTimes(groups_.at(row.gpus), c, row.spec)(sums, arrival);
    return seconds(arrival[0]);
  }

 private:
  std::vector<std::unique_ptr<network::Topology>> topologies_;
  std::map<int, network::ExchangeGroup> groups_;
};

inline network::ExchangeSpec spec_of(network::ExchangeKernel kernel, network::ExchangeDirection direction, int hidden,
                                     int sms, bool nvlink) {
  return {kernel, direction,
          direction == network::ExchangeDirection::dispatch ? network::fp8_row(hidden) : network::bf16_row(hidden), sms,
          nvlink};
}
inline constexpr auto kDispatch = network::ExchangeDirection::dispatch, kCombine = network::ExchangeDirection::combine;

// ---- H100: tables of one node -------------------------------------------------------------------------------------

/// Rows that one with more tokens, all else equal, beats by 15 %: something else ran during the measurement.
inline void set_disturbed_apart(std::vector<ExchangeRow>& rows) {
  const auto key = [](const ExchangeRow& r) { return std::tuple(r.hidden, r.top_k, r.experts, r.spec.sms); };
  for (ExchangeRow& row : rows)
    for (const ExchangeRow& larger : rows)
      if (larger.tokens > row.tokens && larger.measured * 1.15 < row.measured && key(larger) == key(row))
        row.use = Use::out_of_range;
}
inline std::vector<ExchangeRow> h100_normal(const std::string& folder, network::ExchangeDirection direction) {
  Random draw(1, "held out");
  std::vector<ExchangeRow> out;
  for (const auto& r : read_csv(folder + "/h100_all_to_all_normal.csv")) {
    const int hidden = std::stoi(r.at("hidden_size")), tokens = std::stoi(r.at("num_token")),
              top_k = std::stoi(r.at("num_topk")), sms = std::stoi(r.at("dispatch_sms"));
    const double us = std::stod(r.at(direction == kDispatch ? "dispatch_transmit_us" : "combine_transmit_us"));
    out.push_back({fmt::format("hidden {} tokens {} top {} SMs {}", hidden, tokens, top_k, sms),
                   spec_of(network::ExchangeKernel::deepep_normal, direction, hidden, sms, true), 8, hidden, tokens,
                   top_k, std::stoi(r.at("num_experts")), us * 1e-6, draw_use(draw, true)});
  }
  set_disturbed_apart(out);
  return out;
}
/// In range: from 128 experts and 4 choices (every expert has its group of warps: with the tables' 8 or 16 experts, or
/// with one choice, most SMs have nothing to send).
inline std::vector<ExchangeRow> h100_low_latency(const std::string& folder, network::ExchangeDirection direction) {
  Random draw(1, "held out");
  std::vector<ExchangeRow> out;
  for (const auto& r : read_csv(folder + "/h100_all_to_all_low_latency.csv")) {
    const int hidden = std::stoi(r.at("hidden_size")), experts = std::stoi(r.at("num_experts"));
    const double us = std::stod(r.at(direction == kDispatch ? "dispatch_avg_t_us" : "combine_avg_t_us"));
    const int tokens = std::stoi(r.at("num_token")), top_k = std::stoi(r.at("num_topk"));
    out.push_back({fmt::format("hidden {} tokens {} top {} of {}", hidden, tokens, top_k, experts),
                   spec_of(network::ExchangeKernel::deepep_low_latency, direction, hidden, 1, true), 8, hidden, tokens,
                   top_k, experts, us * 1e-6, draw_use(draw, experts >= 128 && top_k >= 4)});
  }
  return out;
}

// ---- H800: published single measurements --------------------------------------------------------------------------

/// DeepEP README: normal kernels, 4096 tokens, hidden 7168, top-8, 24 SMs; logical GB/s counts every distinct GPU (one
/// node) or node (several), the sender's own included.
inline std::vector<ExchangeRow> h800_normal() {
  std::vector<ExchangeRow> out;
  struct Published {
    int gpus;
    double dispatch, combine;
  };
  for (const Published& p : {Published{8, 153, 158}, Published{16, 43, 43}, Published{32, 58, 57}})
    for (const network::ExchangeDirection direction : {kDispatch, kCombine}) {
      const double parts = p.gpus == 8 ? 8 : p.gpus / 8;
      const double copies = parts * reach(256, 256 / parts, 8);
      const double bytes = 4096 * copies * 7168 * 2 * (direction == kDispatch ? (1 + 4 / 128.0) / 2 : 1);
      const double rate = (direction == kDispatch ? p.dispatch : p.combine) * 1e9;
      out.push_back({fmt::format("normal {} EP{}", direction == kDispatch ? "dispatch" : "combine", p.gpus),
                     spec_of(network::ExchangeKernel::deepep_normal, direction, 7168, 24, true), p.gpus, 7168, 4096, 8,
                     256, bytes / rate, Use::fitted});
    }
  return out;
}
/// DeepEP README: low-latency kernels, 128 tokens, hidden 7168, top-8; us with NVLink and with adapters only.
inline std::vector<ExchangeRow> h800_low_latency() {
  std::vector<ExchangeRow> out;
  struct Published {
    int gpus;
    double dispatch, combine, dispatch_rdma, combine_rdma;
  };
  for (const Published& p :
       {Published{8, 77, 114, 163, 318}, Published{16, 118, 195, 173, 329}, Published{32, 155, 273, 182, 350}})
    for (const bool nvlink : {true, false})
      for (const network::ExchangeDirection direction : {kDispatch, kCombine}) {
        const double us =
            direction == kDispatch ? (nvlink ? p.dispatch : p.dispatch_rdma) : (nvlink ? p.combine : p.combine_rdma);
        out.push_back({fmt::format("low latency {} EP{}{}", direction == kDispatch ? "dispatch" : "combine", p.gpus,
                                   nvlink ? "" : ", adapters only"),
                       spec_of(network::ExchangeKernel::deepep_low_latency, direction, 7168, 1, nvlink), p.gpus, 7168,
                       128, 8, 256, us * 1e-6, Use::fitted});
      }
  return out;
}

/// One group of 8 in a cluster of two nodes, so that adapters exist: the published adapters-only rows at EP8.
class H800 {
 public:
  H800() : eight_(cluster_of(16, 200_GBps)), group8_(eight_, GpuId{0}, 8), larger_(200_GBps) {}
  double operator()(const ExchangeRow& row, const Kernel& kernel) const {
    if (row.gpus > 8 || row.spec.nvlink) return larger_(row, kernel);
    network::NetworkCalibration c;
    c.low_latency_dispatch = c.low_latency_combine = kernel;
    exchange::ExchangeSums sums;
    sums.tokens = 8.0 * row.tokens;
    sums.gpu_rows.assign(8, double(row.tokens) * row.top_k);
    sums.fan_out.gpu_reach.assign(8, reach(row.experts, row.experts / 8.0, row.top_k));
    sums.fan_out.node_reach.assign(1, 1);
    std::vector<Time> arrival(8);
    network::ExchangeTimes(group8_, c, row.spec)(sums, arrival);
    return seconds(arrival[0]);
  }
  std::vector<double> errors(const std::vector<ExchangeRow>& rows,
                             const std::function<Kernel(const ExchangeRow&)>& kernel) const {
    std::vector<double> out;
    for (const ExchangeRow& row : rows) out.push_back(std::log((*this)(row, kernel(row)) / row.measured));
    return out;
  }

 private:
  network::Topology eight_;
  network::ExchangeGroup group8_;
  ExchangeModel larger_;
};
}  // namespace moesim::calibration
