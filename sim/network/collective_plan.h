// How a collective runs: its stages, what each puts on the ports, and the protocol that is fastest for it.
#pragma once
#include <vector>

#include "network/collective.h"

namespace moesim {

/// Members of one node; those of one position on their nodes; everyone.
enum class CollectiveScope { inside, across, all };

/// One stage of a collective: all groups of its scope at once.
struct CollectiveStage {
  CollectiveScope scope;
  CollectiveShape shape;
  double bytes = 0;  // that each member sends
  int steps = 0;     // one after the other
  double part = 0;   // bytes of one member's part: copied in place by rings, sent to one other member by pairs
};

struct CollectivePlan {
  double time = 0;  // seconds, from the last member's being ready, nothing else on the links
  std::vector<CollectiveStage> stages;
  NetworkCalibration::Protocol protocol;
};

/// The fastest of the algorithm's (best: of all algorithms') ways.  bytes: above 0, as in collective_time().
/// Throws ConfigError if the algorithm does not do this.
CollectivePlan plan_collective(const ExchangeGroup& group, const NetworkCalibration& calibration, Collective what,
                               CollectiveAlgorithm algorithm, double bytes);
/// What a stage takes beside its bytes on the members' ports: steps, copies, single pairs.  Seconds.
double beside_ports(const ExchangeGroup& group, const CollectiveStage& stage,
                    const NetworkCalibration::Protocol& protocol);
}  // namespace moesim
