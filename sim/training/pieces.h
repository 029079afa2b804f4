// The operations of each compute piece of a block.
#pragma once
#include <span>
#include <vector>

#include "compute/layers/inventory.h"
#include "schedule/executor/block.h"
#include "training/plan.h"

namespace moesim::training {

/// The layer parts and pass of each compute piece; experts have their own way.
struct PieceParts {
  schedule::Piece piece;
  compute::Pass pass;
  std::vector<compute::LayerPart> parts;
};
/// Forward before backward.
const std::vector<PieceParts>& layer_pieces();
std::vector<compute::Operation> operations_of(const TrainingPlan& plan, const PlanBlock& block,
                                              const PieceParts& piece);
/// What is exposed of a collective and a product that go on in step, one part for each GPU: the longer of the two runs
/// throughout, the other's first (or last) part has nothing beside it.
Time exposed_in_parts(Time moved, Time product, int parts);
/// What the host takes for an operator launched eagerly.
Time operator_time(const TrainingPlan& plan);
/// What launching a piece's operations takes of the host: an operator each, one for a graph of them all.
Time host_time(const TrainingPlan& plan, schedule::Piece piece, std::span<const compute::Operation> operations);
/// The SMs that compute, alone or beside the other stream.  data: and beside a collective of data parallelism.
compute::GpuShare share_of(const TrainingPlan& plan, bool beside, bool data = false);
/// What a collective leaves of them.
compute::GpuShare beside_collective(const TrainingPlan& plan, compute::GpuShare share, bool across_nodes);
}  // namespace moesim::training
