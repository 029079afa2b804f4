// Collectives of dense parallelism: closed-form times, and the same as a rendezvous of flows.
#pragma once
#include <functional>
#include <memory>
#include <span>

#include "core/config.h"
#include "network/calibration.h"
#include "network/groups/exchange_group.h"
#include "network/groups/rendezvous.h"

namespace moesim::network {

class Network;
struct Transfer;

enum class Collective { all_reduce, all_gather, reduce_scatter, all_to_all, point_to_point };
constexpr auto enum_names(Collective) {
  return std::to_array<std::pair<std::string_view, Collective>>({{"all_reduce", Collective::all_reduce},
                                                                 {"all_gather", Collective::all_gather},
                                                                 {"reduce_scatter", Collective::reduce_scatter},
                                                                 {"all_to_all", Collective::all_to_all},
                                                                 {"point_to_point", Collective::point_to_point}});
}
enum class CollectiveAlgorithm {
  best,         ///< the fastest that libraries have: all but direct gathers and scatters
  ring,         ///< n - 1 steps round a ring (all-reduce twice that)
  tree,         ///< two binary trees, half of the bytes each (all-reduce)
  in_switch,    ///< the NVSwitch adds up (all-reduce in one NVLink domain, Hopper or later)
  direct,       ///< every pair at once (all but all-reduce)
  hierarchical  ///< inside the nodes, then between same-position GPUs, then inside the nodes
};
constexpr auto enum_names(CollectiveAlgorithm) {
  return std::to_array<std::pair<std::string_view, CollectiveAlgorithm>>(
      {{"best", CollectiveAlgorithm::best},
       {"ring", CollectiveAlgorithm::ring},
       {"tree", CollectiveAlgorithm::tree},
       {"in_switch", CollectiveAlgorithm::in_switch},
       {"direct", CollectiveAlgorithm::direct},
       {"hierarchical", CollectiveAlgorithm::hierarchical}});
}

/// The time from the moment all members are ready until all are done, nothing else on the links.
///
/// bytes: all_reduce: the vector every member holds; all_gather: the whole result; reduce_scatter: the whole input of
/// one member; all_to_all: what one member sends in all, its own share included; point_to_point: the message (two
/// members). One member, or no bytes: 0.  Throws ConfigError for an algorithm that does not do this collective or this
/// group. Source: Thakur, Rabenseifner and Gropp, Optimization of Collective Communication Operations in MPICH, 2005.
Time collective_time(const Topology& topology, const NetworkCalibration& calibration, Collective what,
                     CollectiveAlgorithm algorithm, std::span<const GpuId> members, Bytes bytes);

/// SMs that a library's collective holds while it runs: one for each channel, shared with no kernel that computes.
int sms_of_collective(bool across_nodes);

/// What its members send each other in all, one transfer a pair and stage: for Network::count().
std::vector<Transfer> collective_transfers(const Topology& topology, const NetworkCalibration& calibration,
                                           Collective what, CollectiveAlgorithm algorithm,
                                           std::span<const GpuId> members, Bytes bytes);

/// The same as a rendezvous: flows where the network has them (ring and direct steps as bulk flows between neighbours
/// or pairs plus the steps' latency), closed form else.  `done(member)` runs once for each member.
/// carried: what links count of each of the bytes that it takes the time of.
std::unique_ptr<Rendezvous> open_collective(Network& network, Collective what, CollectiveAlgorithm algorithm,
                                            std::span<const GpuId> members, Bytes bytes,
                                            std::function<void(int member)> done, double carried = 1);
}  // namespace moesim::network
