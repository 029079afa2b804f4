// Which copy computes which rows of one batch, so that the slowest GPU has as little to do as possible.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "exchange/expert_map.h"

namespace moesim::exchange {

/// Splits every expert's rows over its slots by linear programme; the largest row count of a GPU is then within the
/// slots of a GPU of the least possible (rounding to whole rows).  The replica choice `balanced` does this for each
/// exchange.
/// speed: of each GPU, whose rows over speed are then the least on the slowest; empty: all the same.
/// rows: (experts).  Returns rows of each slot; those of an expert's slots add up to its rows.
std::vector<std::int32_t> balanced_slot_rows(const ExpertMap& map, std::span<const std::int64_t> rows,
                                             std::span<const double> speed = {});
}  // namespace moesim::exchange
