// The `placement` section of a scenario: which expert sits where.
#pragma once
#include <vector>

#include "core/config.h"
#include "routing/expert_map.h"
#include "spec/model.h"

namespace moesim {

/// One map a MoE layer, in order; contiguous if the scenario says nothing.  Empty for a dense model.
/// Throws ConfigError if a placement does not fit the model or the group.
std::vector<ExpertMap> read_placement(const Config& scenario, const Model& model, const GroupShape& group);
}  // namespace moesim
