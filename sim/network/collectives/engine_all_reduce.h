// The all-reduce of tensor parallelism as an inference engine runs it: its own kernels in a node, the library's beyond.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "network/collectives/collective.h"

namespace moesim::network {

/// How one all-reduce runs.
enum class Shots {
  library,  ///< the library's, by collective_time()
  one,      ///< every member reads the vectors of all others
  two       ///< its part of them, then the sums of everyone else
};

struct EngineCall {
  Shots shots = Shots::library;
  Time time{};
};

/// All members ready until all done, nothing else on the links.  kernels: whose, as in the calibration; "" for the
/// library's.  Engines' kernels serve 2 to 8 GPUs of one node with NVLink, and vectors up to a size of theirs.  One
/// member, or no bytes: 0.  Source of the two ways: vLLM, csrc/custom_all_reduce.cuh, 2024.
EngineCall engine_all_reduce(const Topology& topology, const NetworkCalibration& calibration, std::string_view kernels,
                             std::span<const GpuId> members, Bytes bytes);

/// Throws ConfigError, with the names there are, for kernels that the calibration has not.  One without any, and "",
/// stand for the library's.
void check_engine_kernels(const NetworkCalibration& calibration, std::string_view kernels);

/// What its members send each other in all, one transfer a pair and shot: for Network::count().
std::vector<Transfer> engine_all_reduce_transfers(const Topology& topology, const NetworkCalibration& calibration,
                                                  std::string_view kernels, std::span<const GpuId> members,
                                                  Bytes bytes);
}  // namespace moesim::network
