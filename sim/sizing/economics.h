// What a deployment costs for each token, and how it stands among others: arithmetic on an entry.
#pragma once
#include "sizing/search.h"

namespace moesim::sizing {

struct Economics {
  int gpus = 0, nodes = 0;
  double cost_per_hour = 0;            // USD
  double used_gpus = 0;                // of these; instances of less than a node may leave some of its GPUs idle
  double cost_per_million = 0;         // tokens, prompts and answers together
  double cost_per_million_input = 0;   // of the time spent on prompts, to prompts; 0 where it is not known
  double cost_per_million_output = 0;  // of the other to answers; 0 likewise
  double tokens_per_gpu = 0;           // a second, prompts and answers
  double tokens_per_user = 0;          // a second, by the median time of a token
  double tokens_per_day() const { return tokens_per_gpu * gpus * 86400; }
};
/// Over all GPUs that are paid for, whole nodes.  Of what was simulated, by its run's own metrics, which are over the
/// GPUs that serve; else of the planned load in closed form.
Economics economics_of(const Plan& plan, const Entry& entry);

/// At which price of its GPUs a kind of node has the cheapest deployment, all other prices as they are.
struct PriceBreak {
  const PricedNode* node = nullptr;
  double at = 0;  // USD of a GPU-hour; of the answer's kind up to which it stays the answer, else from which down
  std::size_t entry = 0;  // the cheapest deployment of the kind that was simulated and meets the targets
};
/// Of the answer's kind of node first, then of the others in the plan's order; nothing where no other kind has a
/// deployment that meets the targets.
std::vector<PriceBreak> price_breaks(const Plan& plan, const Search& search);
}  // namespace moesim::sizing
