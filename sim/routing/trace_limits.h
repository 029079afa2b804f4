// How large a trace may be, so that one wrong id or layer number does not make tables of gigabytes.
#pragma once
#include <cstdint>

namespace moesim::routing {

/// Layers of a model, and the highest number of one.  assumed: a hundred times the deepest models.
inline constexpr int kMostLayers = 10'000;
/// Layers times experts, for each of which a trace counts loads.  assumed: a hundred times the largest models' (94
/// layers of 512 experts).
inline constexpr std::int64_t kMostLoads = 1 << 22;
/// Layers times top-k: the choices of one token, of which blocks are held in memory.  assumed: likewise.
inline constexpr std::int64_t kMostTokenChoices = 1 << 16;
}  // namespace moesim::routing
