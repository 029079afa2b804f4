// Words that `moesim place` takes as they are typed.
#pragma once
#include <cstdint>

#include "cli/place_options.h"

namespace moesim::cli {

/// GPUs, nodes or slots: far above what a cluster of today holds.
constexpr std::int64_t kMostPlaces = 1'000'000;

/// Lists take all words up to the next option: those that are no strategy, number or window but name a file are files
/// to plan from.  Reads the numbers.  Throws ConfigError for words that are neither.
void sort_words(PlaceGiven& given);
}  // namespace moesim::cli
