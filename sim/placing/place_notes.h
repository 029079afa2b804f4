// What a reader must know to read the figures of a comparison: said beside them, never refused.
#pragma once
#include <string>
#include <vector>

#include "placing/place.h"

namespace moesim::placing {

/// Odd counts, windows that overlap what they are scored on, what nobody said about the tokens, slots that hold a
/// second copy on one GPU.
std::vector<std::string> notes_on(const PlaceOptions& options, const PlaceResult& result);

/// Slots that hold an expert which a slot before them on the same GPU holds already.
int wasted_slots(const exchange::ExpertMap& map);
}  // namespace moesim::placing
