#include "network/collective_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "core/check.h"

namespace moesim {
namespace {
using Scope = CollectiveScope;
using Shape = CollectiveShape;
using Stage = CollectiveStage;
using Protocol = NetworkCalibration::Protocol;

Stage ring(Scope scope, int n, double bytes) { return {scope, Shape::ring, bytes * (n - 1) / n, n - 1, bytes / n}; }
/// Round the ring twice: every part is added up, then handed on.
Stage two_rings(Scope scope, int n, double bytes) {
  return {scope, Shape::ring, 2 * bytes * (n - 1) / n, 2 * (n - 1), bytes / n};
}
/// Every member posts n - 1 messages, more of them at once the more there are.
int post_steps(int n) { return 1 + int(std::bit_width(unsigned(n - 1))); }
Stage pairs(Scope scope, int n, double bytes) {
  return {scope, Shape::pairs, bytes * (n - 1) / n, post_steps(n), bytes / n};
}

/// Libraries gather and scatter round rings, even where every pair at once would be faster.
bool rings_only(Collective what) { return what == Collective::all_gather || what == Collective::reduce_scatter; }

/// bytes as in collective_time().  Empty if the algorithm does not fit.
std::vector<Stage> plan(const ExchangeGroup& group, Collective what, CollectiveAlgorithm algorithm, double bytes) {
  using A = CollectiveAlgorithm;
  const int n = group.gpus(), p = group.per_node(), nodes = group.nodes();
  const bool several = p > 1 && nodes > 1;
  switch (algorithm) {
    case A::ring:
      if (rings_only(what)) return {ring(Scope::all, n, bytes)};
      if (what == Collective::all_reduce) return {two_rings(Scope::all, n, bytes)};
      return {};
    case A::tree:  // a chain in each node, and a tree of nodes; up and down
      if (what != Collective::all_reduce) return {};
      return {{Scope::all, Shape::ring, 2 * bytes, 2 * (p - 1 + int(std::bit_width(unsigned(nodes - 1)))), 0}};
    case A::in_switch:  // every byte goes to the switch, and every n-th comes back to be sent on
      if (what != Collective::all_reduce || nodes > 1 || n == 2) return {};
      return {{Scope::inside, Shape::in_switch, bytes * (n + 1) / n, 2, 0}};
    case A::direct:
      if (what == Collective::all_reduce) return {};
      if (what == Collective::point_to_point) return {{Scope::all, Shape::pairs, bytes, 1, bytes}};
      return {pairs(Scope::all, n, bytes)};
    case A::hierarchical:
      if (!several) return {};
      switch (what) {
        case Collective::all_gather:
          return {ring(Scope::across, nodes, bytes / p), ring(Scope::inside, p, bytes)};
        case Collective::reduce_scatter:
          return {ring(Scope::inside, p, bytes), ring(Scope::across, nodes, bytes / p)};
        case Collective::all_reduce:
          return {ring(Scope::inside, p, bytes), two_rings(Scope::across, nodes, bytes / p),
                  ring(Scope::inside, p, bytes)};
        case Collective::all_to_all:
          return {pairs(Scope::inside, p, bytes), pairs(Scope::across, nodes, bytes)};
        case Collective::point_to_point:
          return {};
      }
      return {};
    case A::best:
      break;
  }
  throw std::logic_error("a collective's plan needs one algorithm");
}

/// What a stage puts on one member's NVLink and adapter, in bytes.
struct PortBytes {
  double nvlink = 0, nic = 0;
};
PortBytes port_bytes(const ExchangeGroup& group, const Stage& stage) {
  const int n = group.gpus(), p = group.per_node();
  if (stage.scope == Scope::inside || group.nodes() == 1) return {stage.bytes, 0};
  if (stage.scope == Scope::across || p == 1) return {0, stage.bytes};
  if (stage.shape == Shape::ring)
    return {stage.bytes * (p - 1) / p, stage.bytes / p};  // p rings, each leaves a node by another adapter
  return {stage.bytes * (p - 1) / (n - 1), stage.bytes * (n - p) / (n - 1)};
}

struct Rates {
  double nvlink = std::numeric_limits<double>::infinity(), nic = std::numeric_limits<double>::infinity();
};
Rates slowest(const ExchangeGroup& group) {
  Rates out;
  for (int m = 0; m < group.gpus(); ++m) out.nvlink = std::min(out.nvlink, group.nvlink_rate(m).v);
  for (int port = 0; port < group.ports(); ++port)
    out.nic = std::min(out.nic, group.nic_rate(port).v * group.ports() / group.gpus());
  return out;
}

double step_time(const ExchangeGroup& group, const Stage& stage, const Protocol& protocol) {
  const PortBytes bytes = port_bytes(group, stage);
  const double nvlink = seconds(protocol.step.v > 0 ? protocol.step : group.nvlink_latency());
  if (bytes.nic == 0) return nvlink * stage.steps;
  const double nic = seconds(group.rail_latency());
  if (stage.shape == Shape::pairs) return nic + nvlink * (stage.steps - 1);
  if (bytes.nvlink == 0) return nic * stage.steps;
  const double crossings = double(group.nodes()) / group.gpus();  // of a ring's steps
  return (nvlink * (1 - crossings) + nic * crossings) * stage.steps;
}

double port_time(const ExchangeGroup& group, const Rates& rates, const Stage& stage, const Protocol& protocol) {
  const PortBytes bytes = port_bytes(group, stage);
  return std::max(bytes.nvlink / (rates.nvlink * protocol.nvlink_share), bytes.nic / (rates.nic * protocol.nic_share));
}

/// A ring's copy of the member's own part comes on top; single pairs limit only what the ports would do sooner.
double part_time(const ExchangeGroup& group, const Rates& rates, const Stage& stage, const Protocol& protocol) {
  if (protocol.part_rate.v <= 0) return 0;
  const double part = stage.part / protocol.part_rate.v;
  return stage.shape == Shape::ring ? part : std::max(0.0, part - port_time(group, rates, stage, protocol));
}

bool serves(const Protocol& protocol, const std::vector<Stage>& stages) {
  return std::ranges::all_of(stages,
                             [&](const Stage& s) { return NetworkCalibration::serves(protocol, s.shape, s.bytes); });
}
}  // namespace

double beside_ports(const ExchangeGroup& group, const Stage& stage, const Protocol& protocol) {
  return step_time(group, stage, protocol) + part_time(group, slowest(group), stage, protocol);
}

CollectivePlan plan_collective(const ExchangeGroup& group, const NetworkCalibration& calibration, Collective what,
                               CollectiveAlgorithm algorithm, double bytes) {
  CollectivePlan best;
  best.time = std::numeric_limits<double>::infinity();
  const Rates rates = slowest(group);
  for (const auto& [name, candidate] : EnumNames<CollectiveAlgorithm>::table) {
    if (candidate == CollectiveAlgorithm::best) continue;
    if (algorithm != CollectiveAlgorithm::best && algorithm != candidate) continue;
    if (algorithm == CollectiveAlgorithm::best && rings_only(what) && candidate == CollectiveAlgorithm::direct)
      continue;
    const std::vector<Stage> stages = plan(group, what, candidate, bytes);
    if (stages.empty()) continue;
    for (const Protocol& protocol : calibration.collectives) {
      if (!serves(protocol, stages)) continue;
      double time = seconds(protocol.launch);
      for (const Stage& stage : stages)
        time += step_time(group, stage, protocol) + port_time(group, rates, stage, protocol) +
                part_time(group, rates, stage, protocol);
      if (time < best.time) best = {time, stages, protocol};
    }
  }
  if (best.stages.empty())
    throw ConfigError(fmt::format("{} does not do {} of {} GPUs on {} nodes", name_of(algorithm), name_of(what),
                                  group.gpus(), group.nodes()));
  return best;
}
}  // namespace moesim
