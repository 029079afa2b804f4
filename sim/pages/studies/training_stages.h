// Sections of a training page that show every pipeline stage.
#pragma once
#include "pages/facts.h"
#include "pages/page.h"
#include "pages/queries.h"

namespace moesim::pages {

constexpr std::size_t kMostStages = 64;  // that are drawn

/// Where each stage's time goes.
void add_stages(Page& page, const Facts& facts, const Queries& queries);
/// What fills a GPU of each stage.
void add_memory(Page& page, const Facts& facts, const Queries& queries);
/// Memory in use over a step, by stage and bucket.
void add_memory_over_time(Page& page, const Facts& facts, const Queries& queries);
/// What interrupts a whole run, and how tokens come on.
void add_incidents(Page& page, const Facts& facts, const Queries& queries);
/// All of the above, where a step's time goes, its pipeline, and the whole run.  queries: reports/page/training.sql.
void add_training(Page& page, const Facts& facts, const Queries& queries);
}  // namespace moesim::pages
