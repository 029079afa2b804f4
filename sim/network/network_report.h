// What a network carried, as rows of a results database.
#pragma once
#include <array>
#include <optional>

#include "network/network.h"
#include "results/results.h"

namespace moesim::network {

/// Bytes by kind of link, both directions.
using LinkTotals = std::array<double, kLinkKinds>;
LinkTotals link_totals(Network& network);

/// Up to now: every link that carried something (table link), bytes per pair of GPUs (table pair, if the network counts
/// pairs), the links' use over time (table link_use, if it samples), and metrics `link_bytes` by kind of link.
/// all: of everything described, where the simulated part stands for more.
void write_network(results::Results& results, Network& network, std::optional<LinkTotals> all = {});
}  // namespace moesim::network
