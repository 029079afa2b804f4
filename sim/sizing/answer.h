// The answer: for people, as JSON, and as rows.
#pragma once
#include <string>
#include <vector>

#include "results/results.h"
#include "sizing/economics.h"
#include "sizing/variations.h"

namespace moesim::sizing {

std::string answer_text(const Plan& plan, const Search& search, const std::vector<Variation>& variations);
std::string answer_json(const Plan& plan, const Search& search, const std::vector<Variation>& variations);
/// Tables candidate, candidate_pool and variation.
void store(results::Results& results, const Plan& plan, const Search& search, const std::vector<Variation>& variations);
}  // namespace moesim::sizing
