// What a network carried, as rows of a results database.
#pragma once
#include "network/network.h"
#include "record/results.h"

namespace moesim {

/// Up to now: every link that carried something (table link), bytes per pair of GPUs (table pair, if the network counts
/// pairs) and the links' use over time (table link_use, if it samples).
void write_network(Results& results, Network& network);
}  // namespace moesim
