// GPUs that compute slower than their data sheet says: thermal throttling, a bad board.
#pragma once
#include <vector>

#include "core/config.h"

namespace moesim::spec {

struct SlowGpu {
  int gpu = 0;
  double speed = 1;
  static void fields(auto& f, auto& p) {
    f.required("gpu", p.gpu, "number in the group or cluster");
    f.required("speed", p.speed, "of its normal rate, above 0, at most 1");
  }
};

/// The rate of each of `gpus` GPUs over the normal one; of GPUs listed twice the last entry holds.
/// Throws ConfigError at the entry of `list` for a GPU that is not there and for a speed out of range.
std::vector<double> gpu_speeds(const Config& list, const std::vector<SlowGpu>& slow_gpus, int gpus);
}  // namespace moesim::spec
