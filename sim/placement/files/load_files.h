// Reads expert loads that were counted elsewhere.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "placement/loads.h"

namespace moesim::placement {

/// JSON {"logical_count": M} or M alone, where M is [layers][experts] or [steps][layers][experts] (then summed); CSV
/// with a line a layer (a header line may name the columns; if its first name is `layer` or none, that column
/// numbers the layers); or .npy of those shapes, integers or floats.  Told apart by what the file holds.  Layers
/// without load are skipped and named.  Throws ConfigError naming file and place for anything else.
/// rank: set to the rank that the file says it is of, if it says so.
Loads read_loads(const std::string& file, std::optional<std::int64_t>* rank = nullptr);

/// Experts that have load in some layer, ascending.
std::vector<int> loaded_experts(const Loads& loads);
/// Counts of these alone look like a single rank's: experts are placed in order, and a rank has at most half of them.
inline bool of_one_rank(const Loads& loads, const std::vector<int>& loaded) {
  return loaded.size() * 2 <= std::size_t(loads.experts);
}
}  // namespace moesim::placement
