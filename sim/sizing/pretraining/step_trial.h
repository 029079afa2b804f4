// A mapping's step: whether it can be formed and fits, the least it can take, and what it takes in simulation.
#pragma once
#include <cstdint>
#include <string>

#include "sizing/pretraining/mapping.h"

namespace moesim::sizing {

/// The least that a step can take: the kernels of the busiest pipeline rank, one after the other, every GPU with the
/// mean number of rows and nothing to wait for.  s.  Throws ConfigError for what cannot be formed or does not fit.
double least_step(const Job& job, const Mapping& mapping);

struct StepResult {
  double step = 0, mfu_bf16 = 0, bubble = 0, exposed = 0;  // s; share of the peak, causal; s; s
  std::int64_t peak_memory = 0;                            // B
  bool drawn_out = false;                                  // from steps of fewer micro-batches
  std::string memory{};                                    // what fills the fullest GPU, in words
  bool operator==(const StepResult&) const = default;
};
/// Days, or what is less than one in hours, minutes or seconds.
std::string days_text(double days);
/// Simulates the step.  Where it has many micro-batches and need not be in full, it is drawn out from two of twice and
/// three times the pipeline's depth: from there on each micro-batch takes as long as the one before.
/// What the job's book knows is not simulated again.  Throws ConfigError for what does not fit.
StepResult simulate_step(const Job& job, const Mapping& mapping, bool full);
}  // namespace moesim::sizing
