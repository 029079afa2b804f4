#include "network/collective.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "network/network.h"

namespace moesim {
namespace {
std::size_t at(int i) { return std::size_t(i); }

enum class Scope { inside, across, all };  // members of one node; those of one position on their nodes; everyone
enum class Shape { ring, pairs };

/// One stage of a collective: all groups of its scope at once.
struct Stage {
  Scope scope;
  Shape shape;
  double bytes = 0;  // that each member sends
  int steps = 0;     // one after the other
};

Stage ring(Scope scope, int n, double bytes) { return {scope, Shape::ring, bytes * (n - 1) / n, n - 1}; }
/// Every member posts n - 1 messages, more of them at once the more there are.
int post_steps(int n) { return 1 + int(std::bit_width(unsigned(n - 1))); }
Stage pairs(Scope scope, int n, double bytes) { return {scope, Shape::pairs, bytes * (n - 1) / n, post_steps(n)}; }

/// bytes as in collective_time().  Empty if the algorithm does not fit.
std::vector<Stage> plan(const ExchangeGroup& group, Collective what, CollectiveAlgorithm algorithm, double bytes) {
  using A = CollectiveAlgorithm;
  const int n = group.gpus(), p = group.per_node(), nodes = group.nodes();
  const bool several = p > 1 && nodes > 1;
  const bool gather = what == Collective::all_gather || what == Collective::reduce_scatter;
  switch (algorithm) {
    case A::ring:
      if (gather) return {ring(Scope::all, n, bytes)};
      if (what == Collective::all_reduce) return {{Scope::all, Shape::ring, 2 * bytes * (n - 1) / n, 2 * (n - 1)}};
      return {};
    case A::tree:  // a chain in each node, and a tree of nodes; up and down
      if (what != Collective::all_reduce) return {};
      return {{Scope::all, Shape::ring, 2 * bytes, 2 * (p - 1 + int(std::bit_width(unsigned(nodes - 1))))}};
    case A::in_switch:  // every byte goes to the switch, and every n-th comes back to be sent on
      if (what != Collective::all_reduce || nodes > 1 || n == 2) return {};
      return {{Scope::inside, Shape::pairs, bytes * (n + 1) / n, 2}};
    case A::direct:
      if (what == Collective::all_reduce) return {};
      if (what == Collective::point_to_point) return {{Scope::all, Shape::pairs, bytes, 1}};
      return {pairs(Scope::all, n, bytes)};
    case A::hierarchical:
      if (!several) return {};
      switch (what) {
        case Collective::all_gather:
          return {ring(Scope::across, nodes, bytes / p), ring(Scope::inside, p, bytes)};
        case Collective::reduce_scatter:
          return {ring(Scope::inside, p, bytes), ring(Scope::across, nodes, bytes / p)};
        case Collective::all_reduce:
          return {ring(Scope::inside, p, bytes),
                  {Scope::across, Shape::ring, 2 * bytes / p * (nodes - 1) / nodes, 2 * (nodes - 1)},
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

double step_time(const ExchangeGroup& group, const Stage& stage, const NetworkCalibration::Protocol& protocol) {
  const PortBytes bytes = port_bytes(group, stage);
  const double nvlink = seconds(protocol.step.v > 0 ? protocol.step : group.nvlink_latency());
  if (bytes.nic == 0) return nvlink * stage.steps;
  const double nic = seconds(group.rail_latency());
  if (stage.shape == Shape::pairs) return nic + nvlink * (stage.steps - 1);
  if (bytes.nvlink == 0) return nic * stage.steps;
  const double crossings = double(group.nodes()) / group.gpus();  // of a ring's steps
  return (nvlink * (1 - crossings) + nic * crossings) * stage.steps;
}

double stage_time(const ExchangeGroup& group, const Rates& rates, const Stage& stage,
                  const NetworkCalibration::Protocol& protocol) {
  const PortBytes bytes = port_bytes(group, stage);
  return step_time(group, stage, protocol) +
         std::max(bytes.nvlink / (rates.nvlink * protocol.nvlink_share), bytes.nic / (rates.nic * protocol.nic_share));
}

struct Choice {
  double time = std::numeric_limits<double>::infinity();
  std::vector<Stage> stages;
  NetworkCalibration::Protocol protocol;
};

Choice choose(const ExchangeGroup& group, const NetworkCalibration& calibration, Collective what,
              CollectiveAlgorithm algorithm, double bytes) {
  Choice best;
  const Rates rates = slowest(group);
  for (const auto& [name, candidate] : EnumNames<CollectiveAlgorithm>::table) {
    if (candidate == CollectiveAlgorithm::best) continue;
    if (algorithm != CollectiveAlgorithm::best && algorithm != candidate) continue;
    const std::vector<Stage> stages = plan(group, what, candidate, bytes);
    if (stages.empty()) continue;
    for (const NetworkCalibration::Protocol& protocol : calibration.collectives) {
      // Switches add up whole blocks only, as the protocol of the largest messages sends them.
      if (candidate == CollectiveAlgorithm::in_switch && &protocol != &calibration.collectives.back()) continue;
      double time = seconds(protocol.launch);
      for (const Stage& stage : stages) time += stage_time(group, rates, stage, protocol);
      if (time < best.time) best = {time, stages, protocol};
    }
  }
  if (best.stages.empty())
    throw ConfigError(fmt::format("{} does not do {} of {} GPUs on {} nodes", name_of(algorithm), name_of(what),
                                  group.gpus(), group.nodes()));
  return best;
}

void check_call(Collective what, std::span<const GpuId> members, Bytes bytes) {
  check(bytes.v >= 0, "a collective of {} bytes", bytes.v);
  check(what != Collective::point_to_point || members.size() == 2, "a point to point message of {} members",
        members.size());
}
}  // namespace

Time collective_time(const Topology& topology, const NetworkCalibration& calibration, Collective what,
                     CollectiveAlgorithm algorithm, std::span<const GpuId> members, Bytes bytes) {
  check_call(what, members, bytes);
  if (members.size() < 2 || bytes.v == 0) return {};
  const ExchangeGroup group(topology, std::vector<GpuId>(members.begin(), members.end()));
  return from_seconds(choose(group, calibration, what, algorithm, double(bytes.v)).time);
}

namespace {
/// Starts when the last member has joined; one stage's flows start when those of the stage before have arrived.
class RunningCollective final : public Rendezvous, private Receiver {
 public:
  RunningCollective(Network& network, Collective what, CollectiveAlgorithm algorithm, std::span<const GpuId> members,
                    Bytes bytes, std::function<void(int)> done)
      : network_(network),
        group_(network.topology(), std::vector<GpuId>(members.begin(), members.end())),
        done_(std::move(done)),
        joined_(members.size(), 0),
        waiting_(int(members.size())) {
    if (members.size() > 1 && bytes.v > 0)
      choice_ = choose(group_, network.calibration(), what, algorithm, double(bytes.v));
    else
      choice_.time = 0;
  }

  void join(int member) override {
    check(member >= 0 && at(member) < joined_.size() && !joined_[at(member)], "member {} cannot join this collective",
          member);
    joined_[at(member)] = 1;
    if (--waiting_ > 0) return;
    if (network_.closed_form() || choice_.stages.empty())
      network_.engine().after(from_seconds(choice_.time), "collective: done", [this] { finish(); });
    else
      network_.engine().after(choice_.protocol.launch, "collective: launch", [this] { next_stage(); });
  }
  bool finished() const override { return finished_; }

 private:
  void next_stage() {
    if (stage_ == choice_.stages.size()) return finish();
    const Stage& stage = choice_.stages[stage_++];
    std::vector<Transfer> transfers;
    const int n = group_.gpus(), p = group_.per_node();
    Time longest{};
    for (int m = 0; m < n; ++m) {
      const int node = group_.node_of(m), position = m % p;
      if (stage.shape == Shape::ring) {
        if (stage.scope == Scope::inside || group_.nodes() == 1) {
          add(transfers, m, node * p + (position + 1) % p, stage.bytes);
        } else if (stage.scope == Scope::across || p == 1) {
          add(transfers, m, (m + p) % n, stage.bytes);
        } else {  // p rings of a p-th each: one step of each leaves the node, through its own adapter
          add(transfers, m, node * p + (position + 1) % p, stage.bytes * (p - 1) / p);
          add(transfers, m, (m + p) % n, stage.bytes / p);
        }
        continue;
      }
      const int count = stage.scope == Scope::inside ? p : stage.scope == Scope::across ? group_.nodes() : n;
      for (int k = 0; k < count; ++k) {
        const int to = stage.scope == Scope::inside   ? node * p + k
                       : stage.scope == Scope::across ? k * p + position
                                                      : k;
        if (to != m) add(transfers, m, to, stage.bytes / (count - 1));
      }
    }
    for (const Transfer& t : transfers)
      longest = std::max(longest, network_.topology().latency(network_.topology().route(t.from, t.to)));
    const double steps = step_time(group_, stage, choice_.protocol);
    after_flows_ = from_seconds(std::max(0.0, steps - seconds(longest)));  // flows bring one latency themselves
    in_flight_ = transfers.size();
    network_.start(transfers, *this);
  }
  void add(std::vector<Transfer>& transfers, int from, int to, double bytes) const {
    const bool inside = group_.node_of(from) == group_.node_of(to);
    const double share = inside ? choice_.protocol.nvlink_share : choice_.protocol.nic_share;
    const double whole = std::ceil(bytes);
    transfers.push_back(
        {group_.gpu(from), group_.gpu(to), {std::int64_t(whole)}, {std::int64_t(whole / share)}, 0, false});
  }
  void arrived(std::uint32_t) override {
    if (--in_flight_ == 0) network_.engine().after(after_flows_, "collective: stage", [this] { next_stage(); });
  }
  void finish() {
    finished_ = true;
    for (int m = 0; m < group_.gpus(); ++m) done_(m);
  }

  Network& network_;
  ExchangeGroup group_;
  Choice choice_;
  std::function<void(int)> done_;
  std::vector<std::uint8_t> joined_;
  int waiting_;
  std::size_t stage_ = 0, in_flight_ = 0;
  Time after_flows_{};
  bool finished_ = false;
};
}  // namespace

std::unique_ptr<Rendezvous> open_collective(Network& network, Collective what, CollectiveAlgorithm algorithm,
                                            std::span<const GpuId> members, Bytes bytes,
                                            std::function<void(int member)> done) {
  check_call(what, members, bytes);
  check(!members.empty(), "a collective without members");
  return std::make_unique<RunningCollective>(network, what, algorithm, members, bytes, std::move(done));
}
}  // namespace moesim
