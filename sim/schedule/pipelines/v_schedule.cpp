#include "schedule/pipelines/v_schedule.h"

#include <fmt/format.h>

namespace moesim::schedule {

ScheduleCosts VParams::costs() const {
  ScheduleCosts out;
  if (given()) out.forward = {forward}, out.backward_input = {backward_input}, out.weight = {weight};
  return out;
}

std::string VParams::refusal(const char* kind) const {
  if (!given() || (forward >= 1 && backward_input >= 1 && weight >= 1)) return "";
  return fmt::format("{} needs relative costs of at least 1, or none of the three, got {}, {} and {}", kind, forward,
                     backward_input, weight);
}
}  // namespace moesim::schedule
