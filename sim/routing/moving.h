// Says of a source of traffic whether its expected shares move as steps pass, and how fast.
#pragma once
#include <cstdint>

#include "routing/traffic.h"

namespace moesim::routing {

/// What a source is besides, if its shares depend on the step.
class MovingTraffic {
 public:
  virtual ~MovingTraffic() = default;
  /// Steps for which the shares stay (nearly) what they are, counted from step 0 in turns; 0: for ever.
  virtual std::int64_t lasts() const = 0;
};
/// MovingTraffic::lasts(), or 0 of a source that is none.
inline std::int64_t shares_last(const TrafficSource& source) {
  const auto* moving = dynamic_cast<const MovingTraffic*>(&source);
  return moving != nullptr ? moving->lasts() : 0;
}
}  // namespace moesim::routing
