#include "placement/scores/score.h"

#include <gtest/gtest.h>

#include "../../law/placement/loads_for_tests.h"

namespace moesim::placement {
namespace {

TEST(Score, IsMeanOverMax) {
  // GPU 0 holds A (6) and B (2), GPU 1 holds C (3) and D (1): 8 and 4.
  const Loads loads = loads_of_matrix("x", 1, 4, {6, 2, 3, 1});
  const PlacementProblem problem = checked({.gpus = 2}, 4);
  const std::vector<exchange::ExpertMap> maps{{4, 2, 2, {0, 1, 2, 3}}};
  const PlacementScore s = score(loads, maps, problem);
  EXPECT_DOUBLE_EQ(s.balancedness, 6.0 / 8);
  EXPECT_DOUBLE_EQ(s.imbalance, 8.0 / 6 - 1);
  EXPECT_DOUBLE_EQ(s.layers[0].slowest, 8);
  EXPECT_DOUBLE_EQ(s.layers[0].bound, 6);  // the mean, and the heaviest expert
  EXPECT_DOUBLE_EQ(s.gap, 8.0 / 6 - 1);
}

TEST(Score, AddsUpLayersForTheGapAndAveragesThemForTheBalance) {
  const Loads loads = loads_of_matrix("x", 2, 2, {1, 3, 10, 10});
  const PlacementProblem problem = checked({.gpus = 2}, 2);
  const PlacementScore s = score(loads, std::vector<exchange::ExpertMap>(2, {2, 2, 1, {0, 1}}), problem);
  EXPECT_DOUBLE_EQ(s.balancedness, (2.0 / 3 + 1) / 2);
  EXPECT_DOUBLE_EQ(s.gap, 0);  // an expert of 3 cannot be cut: 3 and 10 are the best there is
}

TEST(Score, BalancedSharingIsNeverWorse) {
  const Loads planned = skewed_loads(3, 32, 1, 1), later = skewed_loads(3, 32, 1, 2);
  const PlacementProblem problem = checked({.gpus = 8, .slots = 48}, 32);
  const std::vector<exchange::ExpertMap> maps =
      plan(*placements().make(Config::from_text("eplb_global", "test")), {planned, problem});
  const PlacementScore even = score(later, maps, problem), balanced = score(later, maps, problem, Sharing::balanced);
  for (std::size_t row = 0; row < maps.size(); ++row) {
    EXPECT_LE(balanced.layers[row].slowest, even.layers[row].slowest * 1.0001);
    EXPECT_GE(balanced.layers[row].slowest, balanced.layers[row].bound * 0.9999);
  }
  EXPECT_GT(balanced.balancedness, even.balancedness + 0.05);
}

TEST(Score, WeighsSpeeds) {
  const Loads loads = loads_of_matrix("x", 1, 2, {4, 2});
  const PlacementProblem problem = checked({.gpus = 2, .gpu_speed = {2, 1}}, 2);
  EXPECT_DOUBLE_EQ(score(loads, std::vector<exchange::ExpertMap>{{2, 2, 1, {0, 1}}}, problem).balancedness, 1);
  EXPECT_DOUBLE_EQ(score(loads, std::vector<exchange::ExpertMap>{{2, 2, 1, {1, 0}}}, problem).balancedness, 0.5);
}

TEST(Skew, KnowsEqualAndConcentratedLoads) {
  EXPECT_DOUBLE_EQ(skew(loads_of_matrix("x", 1, 4, {5, 5, 5, 5})).gini, 0);
  EXPECT_DOUBLE_EQ(skew(loads_of_matrix("x", 1, 4, {0, 0, 0, 8})).gini, 0.75);
  EXPECT_DOUBLE_EQ(skew(loads_of_matrix("x", 1, 4, {0, 0, 0, 8})).max_over_mean, 4);
}

// What serving systems see: without copies the GPUs of skewed traffic are half idle; copies inside nodes help a lot,
// copies anywhere nearly all the way.
TEST(Score, RanksThePublishedPoliciesOnSkewedTraffic) {
  const Loads loads = skewed_loads(6, 256, 0.75, 1);
  const auto balance = [&](const char* kind, int slots) {
    const PlacementProblem problem = checked({.gpus = 32, .nodes = 4, .slots = slots, .groups = 8}, 256);
    return score(loads, plan(*placements().make(Config::from_text(kind, "test")), {loads, problem}), problem)
        .balancedness;
  };
  const double plain = balance("contiguous", 256), by_node = balance("eplb_hierarchical", 288),
               global = balance("eplb_global", 288), improved = balance("local_search", 288);
  EXPECT_GT(plain, 0.35);
  EXPECT_LT(plain, 0.75);
  EXPECT_GT(by_node, plain + 0.1);
  EXPECT_GT(global, 0.97);
  EXPECT_GE(improved, global - 0.01);
}
}  // namespace
}  // namespace moesim::placement
