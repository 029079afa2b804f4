// moesim size: from a plan to the cheapest deployment that meets it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"

namespace moesim::sizing {

struct SizeOptions {
  std::string plan, output, scenario;  // scenario: file for the winner, ready to run; "": none
  std::vector<Config::Override> overrides;
  std::optional<std::uint64_t> seed;
  int jobs = 1;
  bool json = false;
};

/// Returns 0, or 1 if no candidate meets the targets; throws ConfigError for a plan that makes no sense.
int size(const SizeOptions& options);
}  // namespace moesim::sizing
