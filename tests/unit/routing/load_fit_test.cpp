#include "routing/load_fit.h"

#include <gtest/gtest.h>

#include <cmath>

namespace moesim::routing {
namespace {
TEST(LoadFit, FiguresOfFourExpertsAreThoseOfTheHead) {
  // Mean 2: the hottest expert 2 times that.  Blocks of two hold 6 and 2: half above their mean of 4.
  const std::vector<double> one{4, 2, 1, 1};
  const LoadFigures f = load_figures({one, 4, 2}, 2, 4);
  EXPECT_DOUBLE_EQ(f.max_over_mean, 2);
  EXPECT_DOUBLE_EQ(f.gpu_imbalance, 0.5);
  EXPECT_DOUBLE_EQ(f.node_imbalance, 1);
  EXPECT_DOUBLE_EQ(f.group_variation, 0.5);                // 6 and 2 around 4
  EXPECT_DOUBLE_EQ(f.within_variation, (1. / 3 + 0) / 2);  // 4 and 2 around 3; 1 and 1
  EXPECT_DOUBLE_EQ(f.gini, 0.3125);                        // (-3 x 1 - 1 x 1 + 1 x 2 + 3 x 4) / (4 x 8)
}

TEST(LoadFit, MeansAreOverLayers) {
  const std::vector<double> two{4, 2, 1, 1, 2, 2, 2, 2};
  EXPECT_DOUBLE_EQ(load_figures({two, 4, 2}, 2, 4).max_over_mean, 1.5);
}

/// 4 groups of 4 equal experts: group g has e^(-slope ln g) each, layer by layer.
std::vector<double> stairs(std::initializer_list<double> slopes) {
  std::vector<double> out;
  for (const double slope : slopes)
    for (int g = 1; g <= 4; ++g)
      for (int i = 0; i < 4; ++i) out.push_back(1000 * std::pow(g, -slope));
  return out;
}

TEST(LoadFit, GroupsThatFallByTheirNumberHaveThatSlopeAndNothingElse) {
  const std::vector<double> counts = stairs({0.5, 0.5, 0.5});
  const GroupedFit fit = fit_grouped({counts, 16, 4});
  EXPECT_NEAR(fit.slope, 0.5, 1e-12);
  EXPECT_NEAR(fit.slope_varies, 0, 1e-6);
  EXPECT_NEAR(fit.group_spread, 0, 1e-6);
  EXPECT_NEAR(fit.spread, 0, 1e-12);
  EXPECT_NEAR(fit.tilt, 0, 1e-12);
}

TEST(LoadFit, SlopesThatAlternateVaryAndNeighboursDoNotCorrelate) {
  const std::vector<double> counts = stairs({0.2, 0.8, 0.2, 0.8});
  const GroupedFit fit = fit_grouped({counts, 16, 4});
  EXPECT_NEAR(fit.slope, 0.5, 1e-12);
  EXPECT_NEAR(fit.slope_varies, std::sqrt(4 * 0.09 / 3), 1e-9);  // four of 0.3 off, over n - 1
  EXPECT_EQ(fit.neighbours, 0);                                  // -1 in truth: the law has none below 0
}

TEST(LoadFit, LeaningGroupsHaveATiltThatTheSecondHasHalfOf) {
  std::vector<double> counts;
  for (int layer = 0; layer < 2; ++layer)
    for (int g = 0; g < 4; ++g)
      for (int i = 0; i < 4; ++i) counts.push_back(1000 * std::exp(0.8 / (g + 1) * (0.5 - (i + 0.5) / 4)));
  const GroupedFit fit = fit_grouped({counts, 16, 4});
  EXPECT_NEAR(fit.tilt, 0.8, 1e-9);
  EXPECT_NEAR(fit.spread, 0, 1e-9);
}

TEST(LoadFit, LikenessIsOfTheExpertsAndNotOfTheirGroups) {
  // The same experts within groups that exchanged their places: as alike as can be.
  const std::vector<double> a{8, 4, 2, 1}, b{2, 1, 8, 4}, c{1, 2, 1, 2};
  EXPECT_NEAR(alike({a, 4, 2}, {b, 4, 2}), 1, 1e-12);
  EXPECT_NEAR(alike({a, 4, 2}, {c, 4, 2}), -1, 1e-12);
}

TEST(LoadFit, ExpertsWithoutLoadAreNoInfinity) {
  const std::vector<double> counts{0, 8, 4, 2, 4, 2, 0, 8};
  const GroupedFit fit = fit_grouped({counts, 4, 1});
  EXPECT_TRUE(std::isfinite(fit.spread));
  EXPECT_GT(fit.spread, 0);
}
}  // namespace
}  // namespace moesim::routing
