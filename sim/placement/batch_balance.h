// Which copy computes which rows of one batch, so that the slowest GPU has as little to do as possible.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "routing/traffic.h"

namespace moesim {

/// Splits every expert's rows over its slots by linear programme; the largest row count of a GPU is then within the
/// slots of a GPU of the least possible (rounding to whole rows).
/// rows: (experts).  Returns rows of each slot; those of an expert's slots add up to its rows.
std::vector<std::int32_t> balanced_slot_rows(const ExpertMap& map, std::span<const std::int64_t> rows);

/// The same as a choice for the exchange: after the totals of the slots, sources fill their own GPU's and node's copies
/// first.
std::unique_ptr<ReplicaChoice> balanced_replica(const ExpertMap& map, const GroupShape& group);
}  // namespace moesim
