// What the GPUs of one pipeline rank hold, from the plan alone: before anything runs, and at the fullest moment.
#pragma once
#include <vector>

#include "compute/layers/memory.h"
#include "training/plan.h"

namespace moesim::training {

struct RankHolds {
  compute::HeldLayers layers;
  compute::TrainingState state;
  std::int64_t rows = 0;          // routed to a GPU from one micro-batch, evenly
  Bytes buffers{};                // of exchanges, of parameters and activations on their way
  Bytes on_host{};                // activations that the host's memory keeps when the rank keeps most
  std::vector<double> in_flight;  // by held layer: micro-batches whose activations are kept when the rank keeps most
  compute::MemoryItem other;      // activations of embedding, heads and MTP projections then
};
/// plan: with its layers split.  slots: routed experts on a GPU in a MoE layer.
RankHolds rank_holds(const TrainingPlan& plan, int rank, int slots);
}  // namespace moesim::training
