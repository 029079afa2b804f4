// What a schedule takes before it is written.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "core/estimate.h"

namespace moesim::schedule {

// More pipeline ranks than any cluster here has GPUs; as many micro-batches as a schedule file can name
// (schedule_file.cpp); chunks that an instruction's 16 bits can number, and that file can name too.
constexpr std::int64_t kMostRanks = 65'536, kMostMicroBatches = 100'000'000, kMostChunks = 1000;

/// Bytes of the programs and of what draws or times them: at most three instructions (F, I, W) a chunk and micro-batch
/// on each rank, of 16 bytes, twice where the vectors grow.
inline double program_bytes(double ranks, double chunks, double micro_batches) {
  return ranks * chunks * micro_batches * 3 * 16 * 2;
}

/// What writing, timing and drawing a schedule takes.
inline Estimate schedule_estimate(std::string_view kind, double ranks, double chunks, double micro_batches) {
  // Measured, x86-64: a timed instruction (timing.h) with its cells of the picture; one that is written and walked;
  // every rank is looked at whenever another moves.  A V is written for many choices (list_order.cpp): some 400 times
  // for at most six micro-batches a rank, and two dozen times for all of them.
  constexpr double kProgram = 16e6, kTimed = 3 * (40 + 24), kSeconds = 40e-9, kLook = 4e-9, kListed = 150e-9;
  const double cells = ranks * chunks * micro_batches;
  const bool listed = kind == "zb_v" || kind == "v_half" || kind == "v_min";
  Estimate out;
  out.hold("", "the program", kProgram);
  out.hold("", rounded_count(micro_batches) + " micro-batches on " + rounded_count(ranks) + " ranks",
           program_bytes(ranks, chunks, micro_batches) * (listed ? 2 : 1) + cells * kTimed);
  const double part = std::min(1.0, 6 * ranks / micro_batches);
  out.seconds = cells * 3 * ((listed ? (400 * part + 24) * kListed : kSeconds) + ranks * kLook);
  return out;
}
}  // namespace moesim::schedule
