// Paths: arithmetic on the cluster's shape, and a search only where failed links force one.
#include <limits>

#include "core/check.h"
#include "core/splitmix.h"
#include "network/topology/topology.h"

namespace moesim::network {
Topology::Port Topology::port_of(int nic) const {
  const int node = nic / nics_per_node_, rail = nic % nics_per_node_;
  const int plane_rails = nics_per_node_ / planes_;
  const int plane = rail % planes_, position = rail / planes_;
  if (cluster_.fabric.kind == spec::FabricKind::rail_leaf_spine)
    return {plane, node / leaf_units_ * (plane_rails / leaf_rails_) + position / leaf_rails_};
  return {plane, (node * plane_rails + position) / leaf_units_};
}

LinkId Topology::leaf_link(int leaf, int spine, bool down) const {
  return LinkId(first_leaf_ + 2 * (std::size_t(leaf) * std::size_t(spines_) + std::size_t(spine)) + (down ? 1 : 0));
}

LinkId Topology::core_link(int aggregation, int core, bool down) const {
  return LinkId(first_core_ + 2 * (std::size_t(aggregation) * std::size_t(cores_) + std::size_t(core)) +
                (down ? 1 : 0));
}

/// From leaf to leaf of one plane: up to the spine (and core) that the hash picks, and down.
void Topology::climb(Route& route, Port from, Port to, std::uint64_t hash) const {
  if (from.leaf == to.leaf) return;
  const int up = from.plane * leaves_ + from.leaf, down = to.plane * leaves_ + to.leaf;
  const int spine = int(hash % std::uint64_t(spines_));
  const bool one_pod = pod_leaves_ == 0 || from.leaf / pod_leaves_ == to.leaf / pod_leaves_;
  route.add(leaf_link(up, spine, false));
  if (!one_pod) {
    const int core = int(hash / std::uint64_t(spines_) % std::uint64_t(cores_));
    const int pod_up = from.plane * pods_ + from.leaf / pod_leaves_,
              pod_down = to.plane * pods_ + to.leaf / pod_leaves_;
    route.add(core_link(pod_up * spines_ + spine, core, false));
    route.add(core_link(pod_down * spines_ + spine, core, true));
  }
  route.add(leaf_link(down, spine, true));
}

Route Topology::over_adapters(GpuId from, GpuId to, std::uint64_t hash) const {
  Route route;
  const int nic_to = nic_of(to);
  if (port_of(nic_of(from)).plane != port_of(nic_to).plane) {
    // A neighbour of the source sits in the destination's plane: the one with the destination's position.
    const GpuId neighbour{std::uint32_t(int(index(node_of(from))) * gpus_per_node() + local_index(to))};
    route.add(nvlink_out(from));
    route.add(nvlink_in(neighbour));
    if (neighbour == to) return route;
    from = neighbour;
  }
  const int nic_from = nic_of(from);
  if (pcie_links_) route.add(LinkId(first_pcie_ + 2 * index(from)));
  route.add(nic_out(nic_from));
  climb(route, port_of(nic_from), port_of(nic_to), hash);
  route.add(nic_in(nic_to));
  if (pcie_links_) route.add(LinkId(first_pcie_ + 2 * index(to) + 1));
  return route;
}

bool Topology::works(std::span<const LinkId> route) const {
  for (LinkId l : route)
    if (links_[l].capacity.v <= 0) return false;
  return true;
}

/// The usual path if it works, else the next of its equals that does, else any path at all.
Route Topology::working(GpuId from, GpuId to, bool use_nvlink) const {
  if (use_nvlink) {
    Route route;
    route.add(nvlink_out(from));
    route.add(nvlink_in(to));
    return works(route) ? route : detour(from, to);
  }
  const std::uint64_t hash = split_mix(index(from) << 32 | index(to));
  const Route first = over_adapters(from, to, hash);
  if (!any_failed_ || works(first)) return first;
  const int equals = std::max(1, spines_) * std::max(1, cores_);
  for (int i = 1; i < equals; ++i) {
    const Route next = over_adapters(from, to, hash + std::uint64_t(i));
    if (works(next)) return next;
  }
  return detour(from, to);
}

Route Topology::route(GpuId from, GpuId to) const {
  check(index(from) < std::size_t(gpus()) && index(to) < std::size_t(gpus()),
        "a transfer from GPU {} to GPU {}, but the cluster has {}", from, to, gpus());
  if (from == to) return {};
  return working(from, to, node_of(from) == node_of(to));
}

Route Topology::nic_route(GpuId from, GpuId to) const {
  if (!has_nics() || from == to) return route(from, to);
  check(index(from) < std::size_t(gpus()) && index(to) < std::size_t(gpus()),
        "a transfer from GPU {} to GPU {}, but the cluster has {}", from, to, gpus());
  return working(from, to, false);
}

Time Topology::latency(std::span<const LinkId> route) const {
  Time sum{};
  for (LinkId l : route) sum += links_[l].latency;
  return sum;
}

Bandwidth Topology::capacity(std::span<const LinkId> route) const {
  Bandwidth least{std::numeric_limits<double>::infinity()};
  for (LinkId l : route) least = std::min(least, links_[l].capacity);
  return least;
}
}  // namespace moesim::network
