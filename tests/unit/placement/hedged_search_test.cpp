// The hedged search over many windows, which it weighs four at a time.
#include "placement/planning/hedged_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/random.h"

namespace moesim::placement {
namespace {
using Windows = std::vector<std::vector<double>>;
LayerOutlook outlook_of(Windows windows) {
  const std::size_t experts = windows[0].size();
  return {std::move(windows), std::vector<double>(experts, 0)};
}

// Expert 0 goes best with 3 in the one kind of window (0.5 where 1 makes it 0.55) and with 1 in the other (0.5 where 3
// makes it 0.7): with 1 in all.
TEST(HedgedSearch, AllWindowsCountWhereverTheyStand) {
  const std::vector<double> a{0.4, 0.15, 0.35, 0.1}, b{0.45, 0.05, 0.25, 0.25};
  const PlacementProblem problem = checked({.gpus = 2, .slots = 4}, 4);
  HedgedSearch search(4, problem, {});
  const exchange::ExpertMap start{4, 2, 2, {0, 2, 1, 3}};
  const auto partner = [&](const Windows& windows) {
    std::vector<int> slots = search.improved(start, outlook_of(windows)).slot_to_expert;
    const auto zero = std::ranges::find(slots, 0) - slots.begin();
    return slots[std::size_t(zero ^ 1)];
  };
  EXPECT_EQ(partner({a, a, a, a}), 3);
  EXPECT_EQ(partner({b, b, b, b}), 1);
  EXPECT_EQ(partner({a, a, a, a, b, b, b, b}), 1);
  EXPECT_EQ(partner({b, b, b, b, a, a, a, a}), 1);
}

TEST(HedgedSearch, FindsTheSameInEveryOrderOfTheWindows) {
  const PlacementProblem problem = checked({.gpus = 4, .slots = 24}, 16);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed, "windows");
    Windows windows(8, std::vector<double>(16));
    for (std::vector<double>& w : windows) {
      for (double& x : w) x = random.log_normal(0, 1);
      const double sum = std::accumulate(w.begin(), w.end(), 0.0);
      for (double& x : w) x /= sum;
    }
    HedgedSearch search(16, problem, {});
    const exchange::ExpertMap one = search(outlook_of(windows));
    std::ranges::rotate(windows, windows.begin() + 4);
    EXPECT_EQ(search(outlook_of(windows)), one) << "seed " << seed;
  }
}
}  // namespace
}  // namespace moesim::placement
