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
/// "both 2 x TP4 -> 3 x TP4: tpot_p90 42.5 ms of 80.0 ms": what a variation comes to.
std::string then_text(const Deployment& winner, const Variation& variation);
/// Tables candidate, candidate_pool and variation.
void store(results::Results& results, const Plan& plan, const Search& search, const std::vector<Variation>& variations);
}  // namespace moesim::sizing
