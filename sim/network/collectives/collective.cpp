#include "network/collectives/collective.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "network/collectives/collective_plan.h"
#include "network/member_index.h"
#include "network/network.h"

namespace moesim::network {
namespace {
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
  return from_seconds(plan_collective(group, calibration, what, algorithm, double(bytes.v)).time);
}

int sms_of_collective(bool across_nodes) {
  // A channel's threads share their SM with no kernel that computes: NCCL issues 689 and 1656.  Channels: NCCL 2.29.2
  // on Hopper in a node; across nodes twice the 8 that its search finds for 8 adapters (NCCL issue 1041).  assumed:
  // elsewhere as many.
  return across_nodes ? 16 : 24;
}

namespace {
void add(std::vector<Transfer>& transfers, const ExchangeGroup& group, const NetworkCalibration::Protocol& protocol,
         int from, int to, double bytes) {
  const bool inside = group.node_of(from) == group.node_of(to);
  const double share = inside ? protocol.nvlink_share : protocol.nic_share;
  const double whole = std::ceil(bytes);
  transfers.push_back({group.gpu(from), group.gpu(to), {std::int64_t(whole)}, {std::int64_t(whole / share)}, 0, false});
}

/// What one stage's members send each other.
std::vector<Transfer> stage_transfers(const ExchangeGroup& group, const CollectiveStage& stage,
                                      const NetworkCalibration::Protocol& protocol) {
  std::vector<Transfer> out;
  const int n = group.gpus(), p = group.per_node();
  for (int m = 0; m < n; ++m) {
    const int node = group.node_of(m), position = m % p;
    if (stage.shape == CollectiveShape::ring) {
      if (stage.scope == CollectiveScope::inside || group.nodes() == 1) {
        add(out, group, protocol, m, node * p + (position + 1) % p, stage.bytes);
      } else if (stage.scope == CollectiveScope::across || p == 1) {
        add(out, group, protocol, m, (m + p) % n, stage.bytes);
      } else {  // p rings of a p-th each: one step of each leaves the node, through its own adapter
        add(out, group, protocol, m, node * p + (position + 1) % p, stage.bytes * (p - 1) / p);
        add(out, group, protocol, m, (m + p) % n, stage.bytes / p);
      }
      continue;
    }
    const int count = stage.scope == CollectiveScope::inside   ? p
                      : stage.scope == CollectiveScope::across ? group.nodes()
                                                               : n;
    for (int k = 0; k < count; ++k) {
      const int to = stage.scope == CollectiveScope::inside   ? node * p + k
                     : stage.scope == CollectiveScope::across ? k * p + position
                                                              : k;
      if (to != m) add(out, group, protocol, m, to, stage.bytes / (count - 1));
    }
  }
  return out;
}
}  // namespace

std::vector<Transfer> collective_transfers(const Topology& topology, const NetworkCalibration& calibration,
                                           Collective what, CollectiveAlgorithm algorithm,
                                           std::span<const GpuId> members, Bytes bytes) {
  check_call(what, members, bytes);
  if (members.size() < 2 || bytes.v == 0) return {};
  const ExchangeGroup group(topology, std::vector<GpuId>(members.begin(), members.end()));
  const CollectivePlan plan = plan_collective(group, calibration, what, algorithm, double(bytes.v));
  std::vector<Transfer> out;
  for (const CollectiveStage& stage : plan.stages)
    for (const Transfer& t : stage_transfers(group, stage, plan.protocol)) out.push_back(t);
  return out;
}

namespace {
/// Starts when the last member has joined; one stage's flows start when those of the stage before have arrived.
class RunningCollective final : public Rendezvous, private Receiver {
 public:
  RunningCollective(Network& network, Collective what, CollectiveAlgorithm algorithm, std::span<const GpuId> members,
                    Bytes bytes, std::function<void(int)> done, double carried)
      : network_(network),
        group_(network.topology(), std::vector<GpuId>(members.begin(), members.end())),
        done_(std::move(done)),
        carried_(carried),
        joined_(members.size(), 0),
        waiting_(int(members.size())) {
    if (members.size() > 1 && bytes.v > 0)
      plan_ = plan_collective(group_, network.calibration(), what, algorithm, double(bytes.v));
    else
      plan_.time = 0;
  }

  void join(int member) override {
    check(member >= 0 && at(member) < joined_.size() && !joined_[at(member)], "member {} cannot join this collective",
          member);
    joined_[at(member)] = 1;
    if (--waiting_ > 0) return;
    const Time now = network_.engine().now(), takes = from_seconds(plan_.time);
    if (!network_.closed_form() && !plan_.stages.empty())
      return void(network_.engine().after(before_flows(), "collective: launch", [this] { next_stage(); }));
    for (const CollectiveStage& stage : plan_.stages) network_.count(transfers_of(stage), now, now + takes);
    network_.engine().after(takes, "collective: done", [this] { finish(); });
  }
  bool finished() const override { return finished_; }

 private:
  void next_stage() {
    if (stage_ == plan_.stages.size()) return finish();
    const CollectiveStage& stage = plan_.stages[stage_++];
    const std::vector<Transfer> transfers = transfers_of(stage);
    const Time beside = from_seconds(beside_ports(group_, stage, plan_.protocol));
    after_flows_ = std::max(Time{}, beside - longest_latency(transfers));  // flows bring one latency themselves
    in_flight_ = transfers.size();
    network_.start(transfers, *this);
  }
  /// The launch, less what the first flows' latency is longer than the measured steps it stands for.
  Time before_flows() const {
    const CollectiveStage& first = plan_.stages.front();
    const Time beside = from_seconds(beside_ports(group_, first, plan_.protocol));
    const Time longer = std::max(Time{}, longest_latency(transfers_of(first)) - beside);
    return std::max(Time{}, plan_.protocol.launch - longer);
  }
  Time longest_latency(const std::vector<Transfer>& transfers) const {
    Time longest{};
    for (const Transfer& t : transfers)
      longest = std::max(longest, network_.topology().latency(network_.topology().route(t.from, t.to)));
    return longest;
  }
  std::vector<Transfer> transfers_of(const CollectiveStage& stage) const {
    std::vector<Transfer> out = stage_transfers(group_, stage, plan_.protocol);
    for (Transfer& t : out) t.bytes = {std::llround(double(t.bytes.v) * carried_)};
    return out;
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
  CollectivePlan plan_;
  std::function<void(int)> done_;
  double carried_;
  std::vector<std::uint8_t> joined_;
  int waiting_;
  std::size_t stage_ = 0, in_flight_ = 0;
  Time after_flows_{};
  bool finished_ = false;
};
}  // namespace

std::unique_ptr<Rendezvous> open_collective(Network& network, Collective what, CollectiveAlgorithm algorithm,
                                            std::span<const GpuId> members, Bytes bytes,
                                            std::function<void(int member)> done, double carried) {
  check_call(what, members, bytes);
  check(!members.empty(), "a collective without members");
  return std::make_unique<RunningCollective>(network, what, algorithm, members, bytes, std::move(done), carried);
}
}  // namespace moesim::network
