#include "serving/step/step_model.h"

#include <algorithm>

namespace moesim::serving {

void FixedCost::cost(const StepWork& work, StepTimes& out) {
  Time longest{};
  for (const compute::Batch& b : work.ranks)
    longest = std::max(longest, fixed_.prefill_token * b.prefill.queries + fixed_.decode_token * b.decode.sequences);
  out = {};
  out.stages = {fixed_.step + longest};
  out.drawn = seconds(out.total());  // an upper bound: nothing is known of its kernels
  out.parts[std::size_t(StepPart::launch)] = seconds(fixed_.step);
  out.parts[std::size_t(StepPart::other)] = seconds(longest);
}
}  // namespace moesim::serving
