// What nodes that are paid for hold beside the fewest instances: they cost nothing, and carry load.
#include <algorithm>

#include "sizing/ratio.h"

namespace moesim::sizing {

std::vector<int> filled(const Entry& entry) {
  Deployment d = entry.deployment;
  const int paid = d.gpus();
  const auto fits = [&](std::vector<int> n) {
    std::swap(d.instances, n);
    if (d.gpus() == paid) return true;
    std::swap(d.instances, n);
    return false;
  };
  if (!entry.unit.empty()) {
    for (int times = times_unit(entry) + 1; fits(units(entry, times));) ++times;
    return d.instances;
  }
  // The fullest pool first.
  std::vector<std::size_t> pools(d.pools.size());
  for (std::size_t p = 0; p < pools.size(); ++p) pools[p] = p;
  for (bool more = true; more;) {
    std::ranges::stable_sort(
        pools, [&](std::size_t a, std::size_t b) { return entry.fullness_of(a, d) > entry.fullness_of(b, d); });
    more = std::ranges::any_of(pools, [&](std::size_t p) {
      std::vector<int> n = d.instances;
      ++n[p];
      return fits(std::move(n));
    });
  }
  return d.instances;
}
}  // namespace moesim::sizing
