// Sections of a page of requests served: what pools do inside.
#pragma once
#include "pages/facts.h"
#include "pages/page.h"
#include "pages/queries.h"

namespace moesim::pages {

/// How long users wait, against the targets.
void add_latency(Page& page, const Facts& facts, const Queries& queries);
/// A step's time by kind of work.
void add_step_parts(Page& page, const Queries& queries);
/// What each pool spends its time on.
void add_limits(Page& page, const Facts& facts, const Queries& queries);
/// What fills a GPU of each pool.
void add_pool_memory(Page& page, const Facts& facts, const Queries& queries);
/// How even layers are over GPUs, and which experts are hot.
void add_layers(Page& page, const Queries& queries);
/// All of each pool in one table.
void add_pools(Page& page, const Queries& queries);
/// Faults and new placements.
void add_events(Page& page, const Facts& facts, const Queries& queries);
}  // namespace moesim::pages
