// Reads expert loads that were counted elsewhere.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "placement/loads.h"

namespace moesim::placement {

/// JSON {"logical_count": M} or M alone, where M is [layers][experts] or [steps][layers][experts] (then summed); CSV
/// with a line a layer (a header line may name the columns; if its first name is `layer`, that column numbers the
/// layers); or .npy of those shapes, integers or floats.  Told apart by what the file holds.  Layers without load are
/// skipped and named.  Throws ConfigError naming file and place for anything else.
/// rank: set to the rank that the file says it is of, if it says so.
Loads read_loads(const std::string& file, std::optional<std::int64_t>* rank = nullptr);
}  // namespace moesim::placement
