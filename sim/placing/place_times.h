// Simulated time of one forward pass under a placement: kernels and exchanges of every layer, one after the other.
#pragma once
#include <memory>
#include <span>

#include "forward/setup.h"
#include "placing/place.h"

namespace moesim::placing {

/// A step of a placement study: in the formats of the model's release, nothing overlapped.
forward::StepSetup place_setup(const spec::Model& model, const spec::Gpu& gpu, compute::StepPhase phase);

/// How long kernels take on the cluster's GPUs.
std::unique_ptr<compute::KernelModel> place_kernels(const PlaceOptions& options);

/// Times layers of one workload on one cluster.  The expert-parallel group is the first GPUs of the cluster, attention
/// is data parallel.  Prefill uses the exchange that copies with SMs, decode the one driven by the adapters; experts
/// start on a GPU when its rows are there, and the combine starts when the slowest GPU is done.
class PlaceTimes {
 public:
  /// Throws ConfigError if the cluster has too few GPUs or other nodes than the problem.
  /// costs: what kernels take, where several of these count together; nullptr: its own.
  PlaceTimes(const PlaceOptions& options, const Workload& workload, const routing::GateShape& gate,
             compute::StepPhase phase, compute::KernelCosts* costs = nullptr);
  ~PlaceTimes();
  PlaceTimes(const PlaceTimes&) = delete;
  PlaceTimes& operator=(const PlaceTimes&) = delete;

  /// Dispatch, experts and combine of the row-th layer.  With a trace, of a step's worth of its tokens (taken from the
  /// start of the range, again and again if there are too few); with counts, of what they expect.
  Time layer(std::size_t row, const exchange::ExpertMap& map);
  /// maps: one a row of the workload's loads.
  PhaseTime operator()(std::span<const exchange::ExpertMap> maps);

 private:
  struct State;
  std::unique_ptr<State> s_;
};
}  // namespace moesim::placing
