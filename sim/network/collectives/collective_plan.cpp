#include "network/collectives/collective_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace moesim::network {
namespace {
using Scope = CollectiveScope;
using Shape = CollectiveShape;
using Stage = CollectiveStage;
using Protocol = NetworkCalibration::Protocol;

Stage ring(Scope scope, int n, double bytes, double kept) {
  return {scope, Shape::ring, bytes * (n - 1) / n, n - 1, bytes / n, kept};
}
Stage gather(Scope scope, int n, double bytes) { return ring(scope, n, bytes, bytes); }
Stage scatter(Scope scope, int n, double bytes) { return ring(scope, n, bytes, bytes / n); }
/// Round the ring twice: every part is added up, then handed on.
Stage two_rings(Scope scope, int n, double bytes) {
  return {scope, Shape::ring, 2 * bytes * (n - 1) / n, 2 * (n - 1), bytes / n, bytes};
}
/// Up and down a chain in each node, and a tree of nodes.
Stage tree(int per_node, int nodes, double bytes) {
  const int across = int(std::bit_width(unsigned(nodes - 1)));
  Stage out{Scope::all, Shape::ring, 2 * bytes, 2 * (per_node - 1 + across), bytes, bytes, true};
  out.crossings = 2 * across;
  return out;
}
/// Every member posts n - 1 messages, more of them at once the more there are.
int post_steps(int n) { return 1 + int(std::bit_width(unsigned(n - 1))); }
Stage pairs(Scope scope, int n, double bytes) {
  return {scope, Shape::pairs, bytes * (n - 1) / n, post_steps(n), bytes / n, bytes / n};
}

/// Libraries gather and scatter round rings, even where every pair at once would be faster.
bool rings_only(Collective what) { return what == Collective::all_gather || what == Collective::reduce_scatter; }

/// NVSwitches add up since Hopper's.  Source: NVIDIA H100 Tensor Core GPU Architecture, 2022: NVLink SHARP.
bool switch_adds_up(const ExchangeGroup& group) { return group.topology().cluster().node.gpu.generation != "ampere"; }

/// bytes as in collective_time().  Empty if the algorithm does not fit.
std::vector<Stage> plan(const ExchangeGroup& group, Collective what, CollectiveAlgorithm algorithm, double bytes) {
  using A = CollectiveAlgorithm;
  const int n = group.gpus(), p = group.per_node(), nodes = group.nodes();
  const bool several = p > 1 && nodes > 1;
  switch (algorithm) {
    case A::ring:
      if (what == Collective::all_gather) return {gather(Scope::all, n, bytes)};
      if (what == Collective::reduce_scatter) return {scatter(Scope::all, n, bytes)};
      if (what == Collective::all_reduce) return {two_rings(Scope::all, n, bytes)};
      return {};
    case A::tree:
      if (what != Collective::all_reduce) return {};
      return {tree(p, nodes, bytes)};
    case A::in_switch:  // every byte goes to the switch, and every n-th comes back to be sent on
      if (what != Collective::all_reduce || nodes > 1 || n == 2 || !switch_adds_up(group)) return {};
      return {{Scope::inside, Shape::in_switch, bytes * (n + 1) / n, 2}};
    case A::direct:
      if (what == Collective::all_reduce) return {};
      if (what == Collective::point_to_point) return {{Scope::all, Shape::pairs, bytes, 1, bytes}};
      return {pairs(Scope::all, n, bytes)};
    case A::hierarchical:
      if (!several) return {};
      switch (what) {
        case Collective::all_gather:
          return {gather(Scope::across, nodes, bytes / p), gather(Scope::inside, p, bytes)};
        case Collective::reduce_scatter:
          return {scatter(Scope::inside, p, bytes), scatter(Scope::across, nodes, bytes / p)};
        case Collective::all_reduce:
          return {scatter(Scope::inside, p, bytes), two_rings(Scope::across, nodes, bytes / p),
                  gather(Scope::inside, p, bytes)};
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

struct PortRates {
  double nvlink = std::numeric_limits<double>::infinity(), nic = std::numeric_limits<double>::infinity();
};
PortRates slowest(const ExchangeGroup& group) {
  PortRates out;
  for (int m = 0; m < group.gpus(); ++m) out.nvlink = std::min(out.nvlink, group.nvlink_rate(m).v);
  for (int port = 0; port < group.ports(); ++port)
    out.nic = std::min(out.nic, group.nic_rate(port).v * group.ports() / group.gpus());
  return out;
}

double step_time(const ExchangeGroup& group, const Stage& stage, double nvlink, double nic) {
  const PortBytes bytes = port_bytes(group, stage);
  if (bytes.nic == 0) return nvlink * stage.steps;
  if (stage.shape == Shape::pairs) return nic + nvlink * (stage.steps - 1);
  if (bytes.nvlink == 0) return nic * stage.steps;
  const double crossings = stage.crossings > 0 ? stage.crossings : double(stage.steps) * group.nodes() / group.gpus();
  return nvlink * (stage.steps - crossings) + nic * crossings;
}
double step_time(const ExchangeGroup& group, const Stage& stage, const Protocol& protocol) {
  return step_time(group, stage, seconds(protocol.step.v > 0 ? protocol.step : group.nvlink_latency()),
                   seconds(group.rail_latency() + protocol.post));
}

double port_time(const ExchangeGroup& group, const PortRates& rates, const Stage& stage, double nvlink_share,
                 double nic_share) {
  const PortBytes bytes = port_bytes(group, stage);
  return std::max(bytes.nvlink / (rates.nvlink * nvlink_share), bytes.nic / (rates.nic * nic_share));
}
double port_time(const ExchangeGroup& group, const PortRates& rates, const Stage& stage, const Protocol& protocol) {
  return port_time(group, rates, stage, protocol.nvlink_share, protocol.nic_share);
}

/// What the busiest channel moves of `bytes`: all of them while they fit one grain, else its share in whole grains.
double in_one_channel(double bytes, const Protocol& protocol, int channels) {
  const double grain = double(protocol.grain.v);
  if (bytes <= grain) return bytes;
  const double share = bytes / channels;
  return grain > 0 ? std::ceil(share / grain) * grain : share;
}

/// Channels send, receive and store one after the other.  A ring's member does so with as many parts as there are
/// steps and one more; what streams through a tree fills the steps with a grain a channel, and the rest follows.
double channel_time(const Stage& stage, const Protocol& protocol) {
  const double rate = protocol.channel_rate.v;
  if (rate <= 0 || stage.part <= 0) return 0;
  if (stage.shape == Shape::pairs) return in_one_channel(stage.part, protocol, 1) / rate;
  const int channels = protocol.channels;
  const double step = stage.streams ? std::min(stage.part, double(protocol.grain.v) * channels) : stage.part;
  const double rest = stage.streams ? std::max(0.0, stage.bytes - stage.steps * step) : 0;
  const double moved = (stage.steps + 1) * in_one_channel(step, protocol, channels) + rest / channels;
  const double stored = stage.kept / stage.part * in_one_channel(stage.part, protocol, channels);
  return moved / rate + (protocol.part_rate.v > 0 ? stored / (protocol.part_rate.v / channels) : 0);
}

/// What comes on top of steps and ports.  Without channels a member stores what it receives while it sends, and copies
/// its own part in place besides.
double extra_time(const Stage& stage, const Protocol& protocol, double ports) {
  if (protocol.channel_rate.v > 0) return std::max(0.0, channel_time(stage, protocol) - ports);
  const bool copies = stage.kept > 0 && !stage.streams && protocol.part_rate.v > 0;
  return copies ? stage.part / protocol.part_rate.v : 0;
}

double true_time(const ExchangeGroup& group, const PortRates& rates, const std::vector<Stage>& stages,
                 const Protocol& protocol) {
  double time = seconds(protocol.launch);
  for (const Stage& stage : stages) {
    const double ports = port_time(group, rates, stage, protocol);
    time += step_time(group, stage, protocol) + ports + extra_time(stage, protocol, ports);
  }
  return time;
}

/// What the library thinks.  Source: NCCL, src/graph/tuning.cc, ncclTopoTuneModel() and ncclTopoGetAlgoTime().
double estimated_time(const ExchangeGroup& group, const PortRates& rates, const std::vector<Stage>& stages,
                      const NetworkCalibration::Estimate& estimate) {
  const Bandwidth most = group.nodes() > 1 ? estimate.nic_most : estimate.most;
  double time = seconds(estimate.launch);
  for (const Stage& stage : stages) {
    const double ports = port_time(group, rates, stage, estimate.share, estimate.share);
    time += step_time(group, stage, seconds(estimate.step), seconds(estimate.nic_step)) +
            (most.v > 0 ? std::max(ports, stage.bytes / most.v) : ports);
  }
  return time;
}

bool serves(const Protocol& protocol, const std::vector<Stage>& stages) {
  return std::ranges::all_of(stages, [&](const Stage& s) { return NetworkCalibration::serves(protocol, s.shape); });
}

/// By the protocol that the library thinks fastest; of equals the first.
CollectivePlan chosen(const ExchangeGroup& group, const PortRates& rates, const std::vector<Stage>& stages,
                      const std::vector<Protocol>& protocols) {
  CollectivePlan out;
  double least = std::numeric_limits<double>::infinity();
  for (const Protocol& protocol : protocols) {
    if (!serves(protocol, stages)) continue;
    const double time = true_time(group, rates, stages, protocol);
    const double thought = protocol.estimate.share > 0 ? estimated_time(group, rates, stages, protocol.estimate) : time;
    if (thought >= least) continue;
    least = thought;
    out = {time, stages, protocol};
  }
  return out;
}
}  // namespace

double beside_ports(const ExchangeGroup& group, const Stage& stage, const Protocol& protocol) {
  return step_time(group, stage, protocol) +
         extra_time(stage, protocol, port_time(group, slowest(group), stage, protocol));
}

PairsPlan plan_pairs(const ExchangeGroup& group, const NetworkCalibration& calibration, const UnevenPairs& uneven) {
  PairsPlan best;
  double least = std::numeric_limits<double>::infinity();
  // A pair of no bytes still takes its steps.
  const Stage stage = pairs(Scope::all, group.gpus(), std::max(1.0, uneven.largest) * group.gpus());
  for (const Protocol& protocol : calibration.collectives) {
    if (!NetworkCalibration::serves(protocol, Shape::pairs)) continue;
    const double ports = std::max(uneven.nvlink / protocol.nvlink_share, uneven.nic / protocol.nic_share);
    const double beside =
        seconds(protocol.launch) + step_time(group, stage, protocol) + extra_time(stage, protocol, ports);
    if (beside + ports >= least) continue;
    least = beside + ports;
    best = {beside, protocol};
  }
  return best;
}

CollectivePlan plan_collective(const ExchangeGroup& group, const NetworkCalibration& calibration, Collective what,
                               CollectiveAlgorithm algorithm, double bytes) {
  CollectivePlan best;
  best.time = std::numeric_limits<double>::infinity();
  const PortRates rates = slowest(group);
  for (const auto& [name, candidate] : enum_names(CollectiveAlgorithm{})) {
    if (candidate == CollectiveAlgorithm::best) continue;
    if (algorithm != CollectiveAlgorithm::best && algorithm != candidate) continue;
    if (algorithm == CollectiveAlgorithm::best && rings_only(what) && candidate == CollectiveAlgorithm::direct)
      continue;
    const std::vector<Stage> stages = plan(group, what, candidate, bytes);
    if (stages.empty()) continue;
    CollectivePlan one = chosen(group, rates, stages, calibration.collectives);
    if (!one.stages.empty() && one.time < best.time) best = std::move(one);
  }
  if (best.stages.empty())
    throw ConfigError(fmt::format("{} does not do {} of {} GPUs on {} nodes", name_of(algorithm), name_of(what),
                                  group.gpus(), group.nodes()));
  return best;
}
}  // namespace moesim::network
