// What a deployment costs for each token, and how it stands among others: arithmetic on an entry.
#pragma once
#include "sizing/search.h"

namespace moesim::sizing {

struct Economics {
  int gpus = 0, nodes = 0;
  double cost_per_hour = 0;            // USD
  double cost_per_million = 0;         // tokens, prompts and answers together
  double cost_per_million_input = 0;   // of prompts' pools to prompts; 0 where one pool does both
  double cost_per_million_output = 0;  // of the others to answers; 0 likewise
  double tokens_per_gpu = 0;           // a second, prompts and answers over all GPUs
  double tokens_per_user = 0;          // a second, by the median time of a token
};
Economics economics_of(const Plan& plan, const Entry& entry);
}  // namespace moesim::sizing
