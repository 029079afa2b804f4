// How good a placement of one layer can be at best, so that "how far from the best" has a number.
#pragma once
#include <span>

#include "placement/placement.h"

namespace moesim::placement {

/// No placement in these slots, however its copies share, makes the slowest GPU faster than this (load over speed).
/// The largest of:
/// - the linear relaxation over the kinds of GPU (GLPK): experts cut freely, slots filled in parts; on equal GPUs it is
///   the mean load;
/// - copies: slots allow only so many, so some copy carries at least the least T with sum of ceil(load / T) <= slots
///   (at most one copy a GPU);
/// - pigeons: with x spare slots, at least n - x of the n most loaded experts have one copy only; if they outnumber j
///   times the GPUs, some GPU has j + 1 of them;
/// - groups kept on nodes: some node has at least the bin-packing bound of the group loads, or the mean.
/// load: (experts).
double lower_bound(std::span<const double> load, const PlacementProblem& problem);

/// The parts of it, for tests and explanation.
double relaxation_bound(std::span<const double> load, const PlacementProblem& problem);
double copies_bound(std::span<const double> load, const PlacementProblem& problem);
double pigeon_bound(std::span<const double> load, const PlacementProblem& problem);
double group_bound(std::span<const double> load, const PlacementProblem& problem);
}  // namespace moesim::placement
