// Measured library collectives of one node, and what the closed forms say of them.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "calibration/fit.h"
#include "network/collective.h"

namespace moesim::calibration {
using Protocol = NetworkCalibration::Protocol;

struct CollectiveRow {
  Collective what;
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
  const std::map<std::string, Collective> names = {{"all_gather", Collective::all_gather},
                                                   {"all_reduce", Collective::all_reduce},
                                                   {"alltoall", Collective::all_to_all},
                                                   {"reduce_scatter", Collective::reduce_scatter}};
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
constexpr double kNicShare = 0.884, kNicShareLl = kNicShare / 2, kNicShareLl128 = kNicShare * 120 / 128;

/// From what is fitted: rings by LL, LL128 and in bulk, pairs by LL, in bulk and in bulk with more channels, the
/// NVSwitch.
inline std::vector<Protocol> protocols(const std::vector<double>& x) {
  using S = CollectiveShape;
  const auto share = [](double v) { return std::min(1.0, v); };
  const auto us = [](double v) { return std::max(1_ns, from_seconds(v * 1e-6)); };
  const auto bytes = [](double v) { return Bytes{std::int64_t(v)}; };
  return {{S::ring, share(x[0]), kNicShareLl, us(x[1]), us(x[2]), {x[3] * 1e9}, bytes(x[4])},
          {S::ring, share(x[5]), kNicShareLl128, us(x[6]), us(x[7]), {x[8] * 1e9}, bytes(x[9])},
          {S::ring, share(x[10]), kNicShare, us(x[11]), us(x[12]), {x[13] * 1e9}, {}},
          {S::pairs, 1, kNicShareLl, us(x[14]), us(x[15]), {x[16] * 1e9}, {}},
          {S::pairs, share(x[17]), kNicShare, us(x[18]), 1_ns, {}, {}},
          {S::pairs, share(x[19]), kNicShare, us(x[20]), 1_ns, {}, {}},
          {S::in_switch, share(x[21]), kNicShare, us(x[22]), 1_ns, {}, {}}};
}
/// Where the search starts: line rates, launches and switch points as the tables' curves show them.
inline std::vector<double> first_guess() {
  return {0.04, 4.6, 0.8, 25,   24e3, 0.6,  5.2, 1, 160, 2e6, 0.77, 19, 0.6, 800,  // rings
          6,    0.4, 6,   0.54, 13,   0.66, 26,                                    // pairs
          0.66, 70};                                                               // the NVSwitch
}

inline std::vector<double> collective_errors(const Topology& topology, const std::vector<CollectiveRow>& rows,
                                             const std::vector<Protocol>& p) {
  NetworkCalibration c;
  c.collectives = p;
  std::vector<double> out;
  std::vector<GpuId> members;
  for (std::uint32_t g = 0; g < 8; ++g) members.push_back(GpuId{g});
  for (const CollectiveRow& row : rows) {
    const bool rings_only = row.what == Collective::all_reduce && !row.half;
    const Time t =
        collective_time(topology, c, row.what, rings_only ? CollectiveAlgorithm::ring : CollectiveAlgorithm::best,
                        std::span(members).first(std::size_t(row.gpus)), row.bytes);
    out.push_back(std::log(seconds(t) / row.measured));
  }
  return out;
}
}  // namespace moesim::calibration
