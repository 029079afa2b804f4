// Deployments of a plan, as the query `candidates` of a size page gives them.
#pragma once
#include <string>

#include "pages/page.h"
#include "pages/queries.h"

namespace moesim::pages {

// Columns of the query.
enum Column {
  kNumber,
  kDeployment,
  kNode,
  kEngine,
  kGpus,
  kNodes,
  kCost,
  kCostTokens,
  kGpuRate,
  kUserRate,
  kFate,
  kReason,
  kTtft,
  kTpot,
  kMetShare,
  kHeadroom,
  kSimulations
};

/// "3.40 USD/h"; "" for what is no number.
std::string usd_an_hour(double dollars);
/// Whether it meets the targets.
bool meets_targets(const Rows& all, std::size_t i);
/// Which deployments are worth considering, and why the answer is the answer.
void add_front(Page& page, const Facts& facts, const Rows& all, const Queries& queries);
}  // namespace moesim::pages
