// How a collective runs: its stages, what each puts on the ports, and the protocol that the library takes for it.
#pragma once
#include <vector>

#include "network/collectives/collective.h"

namespace moesim::network {

/// Members of one node; those of one position on their nodes; everyone.
enum class CollectiveScope { inside, across, all };

/// One stage of a collective: all groups of its scope at once.
struct CollectiveStage {
  CollectiveScope scope;
  CollectiveShape shape;
  double bytes = 0;  // that each member sends
  int steps = 0;     // one after the other
  double part =
      0;  // bytes that a member of a ring sends a step, of pairs to one other; of a tree: all that it passes on
  double kept = 0;       // bytes that a member stores in the end, its own part included; of pairs its own part alone
  bool streams = false;  // a tree's steps: each passes on what has come while the next comes
  int crossings = 0;     // of a tree's steps, between nodes; a ring crosses once a node and round
};

struct CollectivePlan {
  double time = 0;  // seconds, from the last member's being ready, nothing else on the links
  std::vector<CollectiveStage> stages;
  NetworkCalibration::Protocol protocol;
};

/// The algorithm's stages by the protocol that the library thinks fastest for them; best: of all algorithms the
/// fastest. bytes: above 0, as in collective_time().  Throws ConfigError if the algorithm does not do this.
CollectivePlan plan_collective(const ExchangeGroup& group, const NetworkCalibration& calibration, Collective what,
                               CollectiveAlgorithm algorithm, double bytes);
/// What a stage takes beside its bytes on the members' ports: steps, stores, channels slower than the ports.  Seconds.
double beside_ports(const ExchangeGroup& group, const CollectiveStage& stage,
                    const NetworkCalibration::Protocol& protocol);

/// All pairs at once, though not all send the same.
struct UnevenPairs {
  double largest = 0;          // bytes of the pair that sends most, what a member keeps among them
  double nvlink = 0, nic = 0;  // seconds that the fullest port takes at line rate
};
/// How the library runs it: by the protocol that is fastest, chosen as if all ports were as full as the fullest.
struct PairsPlan {
  double beside = 0;  // seconds: the launch, and what no port's bytes hide
  NetworkCalibration::Protocol protocol;
};
/// No pair with more bytes and no fuller port makes it faster.  Equal pairs take what plan_collective() says.
PairsPlan plan_pairs(const ExchangeGroup& group, const NetworkCalibration& calibration, const UnevenPairs& pairs);
}  // namespace moesim::network
