// A page a study: each chart answers one question, and the sentence above it says the answer.
#pragma once
#include <string>

#include "pages/facts.h"
#include "pages/page.h"
#include "results/store.h"

namespace moesim::pages {

Page training_page(const Facts& facts, const results::Database& db);
Page serving_page(const Facts& facts, const results::Database& db);
Page place_page(const Facts& facts, const results::Database& db);
Page passes_page(const Facts& facts, const results::Database& db);
Page size_page(const Facts& facts, const results::Database& db);
/// Of a training plan: table mapping.
Page mapping_page(const Facts& facts, const results::Database& db);
/// Of a plan without an answer: tables step_trial and trial.
Page unfinished_page(const Facts& facts, const results::Database& db);
Page validate_page(const Facts& facts, const results::Database& db);
/// facts: of the first run that was made (read_identity).
Page sweep_page(const Facts& facts, const results::Database& db);
/// Of recorded routing, whose loads are no rows of SQL.  Throws ConfigError if it is damaged.
Page trace_page(const std::string& file, Facts& facts);
}  // namespace moesim::pages
