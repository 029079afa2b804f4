// Measured library collectives of one node, and what the closed forms say of them.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "calibration/fit.h"
#include "network/collectives/collective.h"

namespace moesim::calibration {
using Protocol = network::NetworkCalibration::Protocol;

struct CollectiveRow {
  network::Collective what;
  int gpus;
  Bytes bytes;
  bool half;  // else int8, which NVSwitches do not add up
  double measured;
  Use use;
};

/// Rows that a message of at least twice the size beats by 15 %: something else ran during the measurement.
inline void set_disturbed_apart(std::vector<CollectiveRow>& rows) {
  for (CollectiveRow& row : rows)
    for (const CollectiveRow& larger : rows)
      if (larger.what == row.what && larger.gpus == row.gpus && larger.half == row.half &&
          larger.bytes.v >= 2 * row.bytes.v && larger.measured * 1.15 < row.measured)
        row.use = Use::out_of_range;
}

/// A message's size is in elements: of half, 2 bytes; of int8, 1.
inline std::vector<CollectiveRow> nccl_rows(const std::string& folder) {
  const std::map<std::string, network::Collective> names = {{"all_gather", network::Collective::all_gather},
                                                            {"all_reduce", network::Collective::all_reduce},
                                                            {"alltoall", network::Collective::all_to_all},
                                                            {"reduce_scatter", network::Collective::reduce_scatter}};
  Random draw(1, "held out");
  std::vector<CollectiveRow> out;
  for (const auto& r : read_csv(folder + "/h100_nccl_one_node.csv")) {
    const bool half = r.at("nccl_dtype") == "half";
    out.push_back({names.at(r.at("op_name")),
                   std::stoi(r.at("num_gpus")),
                   {std::stoll(r.at("message_size")) * (half ? 2 : 1)},
                   half,
                   std::stod(r.at("latency")) * 1e-3,
                   draw_use(draw, true)});
  }
  set_disturbed_apart(out);
  return out;
}

/// The tables have no second node.  Bulk: what normal kernels reach through the same adapters on H800.  The library's
/// LL protocol sends 4 bytes of data with 4 bytes of flags, LL128 120 bytes with 8.  Source: NCCL,
/// src/device/prims_ll.h and prims_ll128.h.
constexpr double kNicShare = 0.884, kLl = 0.5, kLl128 = 120.0 / 128;
/// Of an all-reduce of 64 bytes on 16 nodes of H100 62 us were measured (NCCL issue 1469): a tree of 14 steps inside
/// the nodes and 8 between them, in each of which a thread of the host posts and another polls.
constexpr Time kPost = 3100_ns;

/// What the library thinks of its rings on Hopper: 24 channels of 15 GB/s, which is 0.8 of 450 GB/s.  Source: NCCL
/// 2.29.2, src/graph/tuning.cc: base latencies, latencies a step over NVLink and network, LL's greatest rates.
inline constexpr network::NetworkCalibration::Estimate kThoughtOfLl = {0.4,     6600_ns, 600_ns,
                                                                       2700_ns, {141e9}, {20.4e9}},
                                                       kThoughtOfLl128 = {0.736, 14_us, 1900_ns, 4_us, {}, {}},
                                                       kThoughtOfBulk = {0.8, 8400_ns, 3400_ns, 14_us, {}, {}};

/// From what is fitted: rings by LL, LL128 and in bulk, pairs by LL, in bulk and in bulk with more channels, the
/// NVSwitch.  LL moves 8 bytes at a time with each of the 512 threads of a channel.  Source: NCCL, src/include/comm.h
/// and device.h.
inline std::vector<Protocol> protocols(const std::vector<double>& x) {
  using S = network::CollectiveShape;
  const auto us = [](double v) { return std::max(1_ns, from_seconds(v * 1e-6)); };
  const double bulk = std::min(1.0, x[7]);
  const Bandwidth stores{x[8] * 1e9};
  const auto ring = [&](double payload, double launch, double step,
                        const network::NetworkCalibration::Estimate& thought) {
    Protocol p{S::ring, bulk * payload, kNicShare * payload, us(launch), us(step), stores};
    p.post = kPost;
    p.estimate = thought;
    return p;
  };
  Protocol ll = ring(kLl, x[0], x[1], kThoughtOfLl);
  ll.channel_rate = {x[2] * 1e9};
  ll.channels = 24;
  ll.grain = 4096_B;
  const auto pairs = [&](double share, double nic_share, double launch, Time step) {
    Protocol p{S::pairs, std::min(1.0, share), nic_share, us(launch), step};
    p.post = kPost;
    return p;
  };
  Protocol pairs_ll = pairs(1, kNicShare * kLl, x[9], us(x[10]));
  pairs_ll.channel_rate = {x[11] * 1e9};
  return {ll,
          ring(kLl128, x[3], x[4], kThoughtOfLl128),
          ring(1, x[5], x[6], kThoughtOfBulk),
          pairs_ll,
          pairs(x[12], kNicShare, x[13], 1_ns),
          pairs(x[14], kNicShare, x[15], 1_ns),
          {S::in_switch, std::min(1.0, x[16]), kNicShare, us(x[17]), 1_ns}};
}
/// Where the search starts: line rates and launches as the tables' curves show them, the steps that the library thinks.
struct FirstGuess {
  std::vector<double> rings, pairs, in_switch;
};
inline FirstGuess first_guess() {
  return {{4.6, 0.6, 9, 14, 1.9, 8.4, 3.4, 0.8, 800}, {6, 0.4, 6, 0.54, 13, 0.66, 26}, {0.66, 70}};
}

inline std::vector<double> collective_errors(const network::Topology& topology, const std::vector<CollectiveRow>& rows,
                                             const std::vector<Protocol>& p) {
  network::NetworkCalibration c;
  c.collectives = p;
  std::vector<double> out;
  std::vector<GpuId> members;
  for (std::uint32_t g = 0; g < 8; ++g) members.push_back(GpuId{g});
  for (const CollectiveRow& row : rows) {
    const bool rings_only = row.what == network::Collective::all_reduce && !row.half;
    const Time t = network::collective_time(
        topology, c, row.what, rings_only ? network::CollectiveAlgorithm::ring : network::CollectiveAlgorithm::best,
        std::span(members).first(std::size_t(row.gpus)), row.bytes);
    out.push_back(std::log(seconds(t) / row.measured));
  }
  return out;
}
}  // namespace moesim::calibration
