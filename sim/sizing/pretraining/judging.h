// Whether a mapping meets what was asked, and which of two is better: by the whole run where the plan has one, else by
// the steps alone.
#pragma once
#include <functional>
#include <string>
#include <tuple>

#include "sizing/pretraining/choice.h"

namespace moesim::sizing {

/// Why so many days and USD miss what was asked, or nothing.  run: whether they are of the whole run, then those that
/// the share of its draws asked for takes at most.
std::string missed(const Job& job, double days, double cost, bool run);
/// "the run with its failures", as targets and answers call it.
std::string name_of_run(const Job& job);

/// The less the better, of a run its mean over the draws: with a deadline the cheapest, else the shortest; of equals
/// the one with fewer GPUs, then the first.
using Rank = std::tuple<double, double, double, std::size_t>;
Rank rank_of(const Job& job, double days, double cost, double gpus, std::size_t entry);
Rank rank_of(const Job& job, const MappingEntry& entry, std::size_t number);

/// By how much the farthest target is missed: 1 is as asked.
double excess(const Job& job, double days, double cost);

/// Of the numbers of spare nodes tried the best, as `run`; fate and reason.
void judge(const Job& job, MappingEntry& entry);

/// Runs f for the entry's mapping, and again with more recomputed as long as it does not fit.  False where nothing
/// helps: then the entry is illegal, with the reason; else it is to be judged.
bool with_what_fits(const Job& job, MappingEntry& entry, const std::function<void()>& f);

/// "0.3974 s, 0.3971 s do": in as many digits as tell them apart.
std::string apart(double least, double found, std::string_view unit, std::string_view as_found);
}  // namespace moesim::sizing
