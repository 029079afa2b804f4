// The answer to a training plan: for people, as JSON, and as rows.
#pragma once
#include <string>

#include "results/results.h"
#include "sizing/pretraining/choice.h"

namespace moesim::sizing {

std::string answer_text(const Job& job, const Choice& choice);
std::string answer_json(const Job& job, const Choice& choice);
/// Table mapping.
void store(results::Results& results, const Job& job, const Choice& choice);
}  // namespace moesim::sizing
