// A placement with copies, for the tests of how copies share their expert's rows.
#pragma once
#include "core/random.h"
#include "exchange/expert_map.h"

namespace moesim::exchange {

/// 16 experts on four GPUs of six slots; experts 0 to 7 have two copies, at random places.
inline ExpertMap copied_map(Random& random) {
  ExpertMap map{16, 4, 6, {}};
  for (int slot = 0; slot < 24; ++slot) map.slot_to_expert.push_back(slot % 16);
  random.shuffle<int>(map.slot_to_expert);
  return map;
}
}  // namespace moesim::exchange
