#include "placement/planning/outlook.h"

#include <gtest/gtest.h>

#include <cmath>

namespace moesim::placement {
namespace {
Loads one_layer(std::vector<double> counts) {
  const int experts = int(counts.size());
  return loads_of_matrix("test", 1, experts, std::move(counts));
}
LayerOutlook seen(std::span<const Loads> windows, double common = 0.5, const OutlookParams& p = {}) {
  return outlook(in_order(windows), 0, common, p);
}

TEST(Outlook, MovesTwoWindowsApartAndLeavesTheRestToTheExperts) {
  // Shares 0.6 and 0.4, then the other way round: mean 0.5, squares 0.02 each over one degree of freedom, 0.08 of the
  // squared means.  Drawn together with eight degrees of 0.08 x 0.25: (8 x 0.02 + 0.02) / 9.
  const std::vector<Loads> windows{one_layer({60, 40}), one_layer({4, 6})};
  const LayerOutlook out = seen(windows);
  ASSERT_EQ(out.windows.size(), 2u);
  const double apart = 0.1 * std::sqrt(0.5 * 3);
  EXPECT_NEAR(out.windows[0][0], 0.5 - apart, 1e-12);  // the window of 10 rows sorts first
  EXPECT_NEAR(out.windows[1][0], 0.5 + apart, 1e-12);
  for (const double s : out.spread) EXPECT_NEAR(s, 0.5 * 1.5 * 0.02, 1e-12);
  // All of it in the windows' own direction, or none.
  for (const double s : seen(windows, 1).spread) EXPECT_EQ(s, 0);
  for (const auto& w : seen(windows, 0).windows) EXPECT_NEAR(w[0], 0.5, 1e-12);
}

TEST(Outlook, FindsHowMuchOfAWindowTheOthersShow) {
  const auto part = [](const std::vector<Loads>& windows) { return common_part(in_order(windows), {.common = 0.4}); };
  const auto stray = [](int expert, double by) {
    std::vector<double> counts(8, 100);
    counts[std::size_t(expert)] += by;
    counts[std::size_t(expert + 1)] -= by;
    return one_layer(counts);
  };
  EXPECT_EQ(part({stray(0, 10)}), 0.4);
  EXPECT_EQ(part({stray(0, 10), stray(2, 10)}), 0.4) << "two cannot tell";
  EXPECT_EQ(part({stray(0, 10), stray(0, 10), stray(0, 10)}), 0.4) << "nothing strays";
  EXPECT_NEAR(part({stray(0, 10), stray(0, 25), stray(0, -40)}), 1, 1e-6) << "one direction";
  EXPECT_NEAR(part({stray(0, 10), stray(2, 10), stray(4, 10)}), 0, 1e-6) << "each its own";
}

TEST(Outlook, DrawsOneWindowTowardsTheEvenShareByItsCountingNoise) {
  const std::vector<Loads> few{one_layer({8, 0, 0, 0})}, many{one_layer({8e6, 0, 0, 0})};
  // Squared distance from even 0.75; variance of eight rows' shares, summed, 0.75 / 8.
  EXPECT_NEAR(seen(few).windows[0][0], 0.25 + 0.75 * (1 - 1.0 / 8), 1e-12);
  EXPECT_NEAR(seen(many).windows[0][0], 1, 1e-6);
  EXPECT_EQ(seen(many).spread, std::vector<double>(4, 0)) << "one window says nothing of drift";
  EXPECT_NEAR(seen(many, 0.5, {.drift = 0.3}).spread[0], 0.09, 1e-6);
}

TEST(Outlook, LeavesOutWindowsWithoutLoadInTheLayer) {
  Loads a = loads_of_matrix("a", 2, 2, {1, 3, 1, 1}), b = a;
  b.counts = {0, 0, 1, 1};
  const std::vector<Loads> windows{a, b};
  EXPECT_EQ(seen(windows).windows.size(), 1u);
  EXPECT_EQ(outlook(in_order(windows), 1, 0.5, {}).windows.size(), 2u);
  a.counts = b.counts;
  const std::vector<Loads> idle{a, b};
  EXPECT_EQ(seen(idle).windows[0], (std::vector{0.5, 0.5}));
}
}  // namespace
}  // namespace moesim::placement
