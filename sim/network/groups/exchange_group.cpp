#include "network/groups/exchange_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "core/check.h"

namespace moesim::network {

Bytes fp8_row(int hidden) { return {hidden + (hidden + 127) / 128 * 4 + 16}; }
Bytes bf16_row(int hidden) { return {std::int64_t(hidden) * 2}; }

RowWay way_of(ExchangeKernel kernel) {
  switch (kernel) {
    case ExchangeKernel::deepep_normal:
    case ExchangeKernel::hybrid:
      return RowWay::relayed;
    case ExchangeKernel::deepep_low_latency:
    case ExchangeKernel::all_to_all:
      return RowWay::straight;
    case ExchangeKernel::all_gather:
      return RowWay::gathered;
  }
  throw std::logic_error("an exchange kernel without a way");
}

namespace {
std::vector<GpuId> consecutive(GpuId first, int count) {
  std::vector<GpuId> out;
  for (int i = 0; i < count; ++i) out.push_back(GpuId{std::uint32_t(index(first)) + std::uint32_t(i)});
  return out;
}
}  // namespace

ExchangeGroup::ExchangeGroup(const Topology& topology, GpuId first, int count)
    : ExchangeGroup(topology, consecutive(first, count)) {}

ExchangeGroup::ExchangeGroup(const Topology& topology, std::vector<GpuId> members)
    : topology_(&topology), members_(std::move(members)), shape_{int(members_.size()), 1} {
  check(!members_.empty(), "an exchange group without members");
  for (const GpuId gpu : members_)
    if (index(gpu) >= std::size_t(topology.gpus()))
      throw ConfigError(fmt::format("an exchange group names GPU {}, but the cluster has {}", gpu, topology.gpus()));
  int& per_node = shape_.gpus_per_node;
  while (per_node < gpus() && topology.node_of(gpu(per_node)) == topology.node_of(gpu(0))) ++per_node;
  for (int m = 0; m < gpus(); ++m) {
    const int first = shape_.first_of(node_of(m));
    check(topology.node_of(gpu(m)) == topology.node_of(gpu(first)) && gpus() % per_node == 0 &&
              (m != first || m == 0 || topology.node_of(gpu(m)) != topology.node_of(gpu(m - 1))),
          "the {} members of an exchange group must lie on their nodes in equal runs, {} a node as on the first",
          gpus(), per_node);
  }
  find_ports();
  find_latencies();
}

void ExchangeGroup::find_ports() {
  const Topology& t = *topology_;
  const double kFree = std::numeric_limits<double>::infinity();
  std::vector<int> sharers;
  for (int m = 0; m < gpus(); ++m) {
    nvlink_rate_.push_back({kFree});
    if (t.has_nvlink())
      nvlink_rate_.back() = std::min(t.links()[t.nvlink_out(gpu(m))].capacity, t.links()[t.nvlink_in(gpu(m))].capacity);
    const bool shared = t.has_nics() && m % per_node() != 0 && t.nic_of(gpu(m)) == t.nic_of(gpu(m - 1));
    if (!shared) {
      ++ports_;
      sharers.push_back(0);
      nic_rate_.push_back({kFree});
      if (t.has_nics()) {
        const int nic = t.nic_of(gpu(m));
        nic_rate_.back() = std::min(t.links()[t.nic_out(nic)].capacity, t.links()[t.nic_in(nic)].capacity);
      }
    }
    port_.push_back(ports_ - 1);
    ++sharers.back();
  }
  const Bandwidth pcie = t.cluster().node.pcie;
  if (pcie.v > 0)
    for (int p = 0; p < ports_; ++p)
      nic_rate_[std::size_t(p)] = std::min(nic_rate_[std::size_t(p)], pcie * double(sharers[std::size_t(p)]));
}

void ExchangeGroup::find_latencies() {
  const Topology& t = *topology_;
  if (per_node() > 1) nvlink_latency_ = t.latency(t.route(gpu(0), gpu(1)));
  if (!t.has_nics()) return;
  for (int a = 0; a < per_node(); ++a)
    for (int m = 0; m < gpus(); ++m) {
      if (m == a) continue;
      const Time latency = t.latency(t.nic_route(gpu(a), gpu(m)));
      any_latency_ = std::max(any_latency_, latency);
      if (m % per_node() == a) rail_latency_ = std::max(rail_latency_, latency);
    }
}

Time ExchangeGroup::count_latency(const ExchangeSpec& spec) const {
  const bool relayed = way_of(spec.kernel) == RowWay::relayed;
  const bool inside = nodes() == 1 && (relayed || spec.nvlink || !topology_->has_nics());
  if (inside) return nvlink_latency_;
  return relayed ? rail_latency_ : any_latency_;
}
}  // namespace moesim::network
