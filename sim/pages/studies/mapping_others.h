// Sections of a training plan's page that are of all mappings together.
#pragma once
#include "pages/facts.h"
#include "pages/page.h"
#include "pages/queries.h"
#include "pages/studies/common.h"

namespace moesim::pages {

/// The fastest mapping by the number of GPUs.
void add_mapping_scaling(Page& page, const LongUnit& unit, const Facts& facts, const Queries& queries);
/// What became of the mappings, and why those fell that did.
void add_mapping_fates(Page& page, const Queries& queries);
}  // namespace moesim::pages
