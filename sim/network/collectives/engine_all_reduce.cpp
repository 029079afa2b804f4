#include "network/collectives/engine_all_reduce.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/config_error.h"
#include "network/network.h"

namespace moesim::network {
namespace {
using Kernels = NetworkCalibration::EngineAllReduce;
constexpr int kMostMembers = 8;  // vLLM, SGLang: supported world sizes 2, 4, 6, 8

/// The engine's entry if these members can run it; else null.
const Kernels* kernels_for(const ExchangeGroup& group, const NetworkCalibration& c, std::string_view kernels) {
  const auto entry = std::ranges::find(c.engine_all_reduce, kernels, &Kernels::kernels);
  if (kernels.empty() || entry == c.engine_all_reduce.end()) return nullptr;
  if (group.nodes() > 1 || group.gpus() > kMostMembers) return nullptr;
  // Over PCIe they serve pairs alone (vLLM, custom_all_reduce.py).
  const spec::Node& node = group.topology().cluster().node;
  return node.gpu.nvlink > node.pcie || group.gpus() == 2 ? &*entry : nullptr;
}

/// Bytes that a member reads.
double read_in(Shots shots, int n, double bytes) {
  return shots == Shots::one ? (n - 1) * bytes : 2 * (n - 1) * bytes / n;
}

EngineCall fastest(const ExchangeGroup& group, const Kernels& k, Bytes bytes) {
  EngineCall out;
  if (k.most.v > 0 && bytes > k.most) return out;
  const int n = group.gpus();
  double rate = std::numeric_limits<double>::infinity();
  for (int m = 0; m < n; ++m) rate = std::min(rate, group.nvlink_rate(m).v);
  const double called = seconds(k.launch) + seconds(k.peer) * (n - 1);
  const auto takes = [&](Shots shots) { return called + read_in(shots, n, double(bytes.v)) / (rate * k.nvlink_share); };
  const bool one = k.most_read.v == 0 || read_in(Shots::one, n, double(bytes.v)) <= double(k.most_read.v);
  if (one) out = {Shots::one, from_seconds(takes(Shots::one))};
  if (k.second.v == 0) return out;
  const Time two = from_seconds(takes(Shots::two)) + k.second;
  return !one || two < out.time ? EngineCall{Shots::two, two} : out;
}

EngineCall own_call(const ExchangeGroup& group, const NetworkCalibration& c, std::string_view kernels, Bytes bytes) {
  const Kernels* k = kernels_for(group, c, kernels);
  return k ? fastest(group, *k, bytes) : EngineCall{};
}
}  // namespace

void check_engine_kernels(const NetworkCalibration& calibration, std::string_view kernels) {
  const auto& all = calibration.engine_all_reduce;
  if (kernels.empty() || all.empty() || std::ranges::find(all, kernels, &Kernels::kernels) != all.end()) return;
  std::string known;
  for (const Kernels& k : all) known += fmt::format("{}{}", known.empty() ? "" : ", ", k.kernels);
  throw ConfigError(
      fmt::format("{} has no all-reduce kernels of \"{}\"; there are {}", calibration.name, kernels, known));
}

EngineCall engine_all_reduce(const Topology& topology, const NetworkCalibration& calibration, std::string_view kernels,
                             std::span<const GpuId> members, Bytes bytes) {
  if (members.size() < 2 || bytes.v == 0) return {};
  const EngineCall own =
      own_call(ExchangeGroup(topology, {members.begin(), members.end()}), calibration, kernels, bytes);
  if (own.shots != Shots::library) return own;
  return {Shots::library,
          collective_time(topology, calibration, Collective::all_reduce, CollectiveAlgorithm::best, members, bytes)};
}

std::vector<Transfer> engine_all_reduce_transfers(const Topology& topology, const NetworkCalibration& calibration,
                                                  std::string_view kernels, std::span<const GpuId> members,
                                                  Bytes bytes) {
  if (members.size() < 2 || bytes.v == 0) return {};
  const ExchangeGroup group(topology, {members.begin(), members.end()});
  const EngineCall own = own_call(group, calibration, kernels, bytes);
  if (own.shots == Shots::library)
    return collective_transfers(topology, calibration, Collective::all_reduce, CollectiveAlgorithm::best, members,
                                bytes);
  const int n = group.gpus();
  const double share = kernels_for(group, calibration, kernels)->nvlink_share;
  const double whole = std::ceil(read_in(own.shots, n, double(bytes.v)) / (n - 1));
  std::vector<Transfer> out;
  for (int from = 0; from < n; ++from)
    for (int to = 0; to < n; ++to)
      if (to != from)
        out.push_back({group.gpu(from), group.gpu(to), {std::int64_t(whole)}, {std::int64_t(whole / share)}, 0, false});
  return out;
}
}  // namespace moesim::network
