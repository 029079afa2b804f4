// What the loss of a node does to a deployment.
#pragma once
#include <string>
#include <vector>

#include "sizing/search.h"

namespace moesim::sizing {

/// A question about a lost node.
struct NodeLoss {
  CheckKind kind = CheckKind::node_loss;
  std::string what;      // "a node lost, no spare"
  Trial trial{};         // to be simulated with all instances
  std::string outage{};  // what stands beside the figures; of what need not be simulated all that is to be said
  bool served = true;    // some requests are, so that it can be simulated
  std::size_t pool = 0;  // that serves nothing, if one does
};

/// One of the answer's nodes is lost: the first of the pool that decodes, with whatever else is on it.  An instance
/// that cannot go on without it is lost as a whole.  Asked is what holds as long as nobody replaces the node, so that
/// what it carried stays lost, and what with a spare node, which is in no price and has to load the weights first.
std::vector<NodeLoss> node_losses(const Plan& plan, const Entry& answer);

/// From the loss of an instance until another one serves in its place: loaded from the disks of a node.
/// weights: B that a node holds.
Time start_up_of(double weights);
}  // namespace moesim::sizing
