// moesim size: from a plan to the cheapest deployment that meets it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "sizing/search.h"

namespace moesim::sizing {

struct SizeOptions {
  std::string plan, output, scenario;  // scenario: file for the winner, ready to run; "": none
  std::vector<Config::Override> overrides;
  std::optional<std::uint64_t> seed;
  int jobs = 1;
  Shard shard{};        // this process's part of the simulations
  bool resume = false;  // go on with what `output` holds, if it is there
  bool json = false;
};

/// Every simulation is stored as it is done.  A shard simulates its part and gives no answer: merge_trials() puts
/// shards together, and a search that resumes from there answers as one process would have. Returns 0, or 1 if no
/// candidate meets the targets; throws ConfigError for a plan that makes no sense.
int size(const SizeOptions& options);
}  // namespace moesim::sizing
