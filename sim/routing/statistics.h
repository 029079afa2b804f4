// What a routing trace shows: how unequal the loads are, what repeats, what follows from what, and how far tokens
// travel.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "routing/trace.h"
#include "routing/traffic.h"

namespace moesim::routing {

struct LayerStatistics {
  int layer = 0;                   // the model's number
  double max_over_mean = 1;        // of tokens per expert
  double variation = 0, gini = 0;  // coefficient of variation, Gini coefficient
  int hottest = 0;                 // the expert with most tokens, the lowest of equals
  double top_share = 0;            // what the hottest tenth of the experts holds (one at least)
  double effective_experts = 0;    // e to the entropy of the loads
  int cold = 0;                    // experts that no token chose
  bool collapsed = false;          // a few experts take nearly everything: see kCollapse
  double repetition = 0;           // share of a request's consecutive tokens with the same first choice
  double affinity = 0;  // share of the tokens whose first choice in the next layer is the likeliest one after their
                        // first choice here; 0 in the last layer
  double affinity_by_chance = 0;  // the same between unrelated tokens of as many: what so few tokens show in any case
  double domain_correlation = 0;  // of the loads of two domains, mean over the pairs; 0 with one domain
  double groups_per_token = 0, nodes_per_token = 0, gpus_per_token = 0;  // distinct, with contiguous placement
  double balance = 1;                                                    // mean over max GPU load, contiguous placement
};

/// A layer has collapsed if its effective number of experts is below a tenth of all, or below twice top-k if that is
/// more.
struct TraceStatistics {
  std::int64_t tokens = 0;
  spec::GroupShape group;
  std::vector<LayerStatistics> layers;
  std::int64_t consecutive = 0;  // pairs of consecutive tokens that were seen
  int domains = 0;               // with at least one token

  /// The mean of a member over the layers; of affinity, over those with a next one.
  double mean(double LayerStatistics::*member) const;
};

/// group: for the fan-out and the GPU balance; gpus at most the experts (throws ConfigError).  One pass over the trace
/// in pieces: memory does not grow with it.  Stops early, with what was seen, when the user interrupts.
TraceStatistics trace_statistics(const Trace& trace, const spec::GroupShape& group);

/// A table: layers, means, what was published of such systems, and what is wrong (cold experts, collapse).
std::string statistics_text(const Trace& trace, const TraceStatistics& s);
std::string statistics_json(const Trace& trace, const TraceStatistics& s);
/// What the trace is, has and lacks.
std::string info_text(const Trace& trace);
std::string info_json(const Trace& trace);
}  // namespace moesim::routing
