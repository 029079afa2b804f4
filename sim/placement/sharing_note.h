// Says in a run's assumptions what a replica choice is taken to cost.
#pragma once
#include <string_view>

#include "exchange/replica_choice.h"
#include "placement/section.h"
#include "results/results.h"

namespace moesim::placement {

/// A row of the table `assumption` if the choice is `balanced` (ReplicaSpec::solve_time).  copies: some expert has any.
void write_sharing(results::Results& results, std::string_view scope, const exchange::ReplicaSpec& choice, bool copies);
/// One if shares are planned: how even they make the loads that they are planned from.
void write_sharing(results::Results& results, std::string_view scope, const PlannedShares& shares);
}  // namespace moesim::placement
