// The answer to a training plan: for people, as JSON, and as rows.
#pragma once
#include <string>

#include "results/results.h"
#include "sizing/pretraining/choice.h"

namespace moesim::sizing {

std::string answer_text(const Job& job, const Choice& choice);
std::string answer_json(const Job& job, const Choice& choice);
/// "2.0 days on average over 100 draws: 2.1 days and 1,210 USD do in 90 % of them, 97 % are within the targets"
std::string drawn_text(const Job& job, const DrawnRun& run);
/// Tables mapping and variation.
void store(results::Results& results, const Job& job, const Choice& choice);
/// The answer's figures as metrics, those that its own run has written left as they are: run_days and run_cost are of
/// the draw that its scenario plays.
void write_job_figures(results::Results& results, const Choice& choice);
}  // namespace moesim::sizing
