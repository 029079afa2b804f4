// When the order of two deployments is chance, worked out in the head.
#include <gtest/gtest.h>

#include "sizing/load_race.h"
#include "sizing/ranking.h"

namespace moesim::sizing {
namespace {
Ranked of(std::vector<double> headrooms) {
  Ranked out;
  out.headrooms = std::move(headrooms);
  out.headroom = runs::mean_of(out.headrooms);
  return out;
}
constexpr double kFarMiss = 9;

TEST(Ranking, OfEqualCostsFollowsTheDifferencesSeedBySeed) {
  // One is ahead by 0.05 with every seed: sure, though both vary by more than that.
  EXPECT_FALSE(is_tie(of({0.15, 0.35, 0.25}), of({0.10, 0.30, 0.20}), true, kFarMiss));
  // Ahead by 0.1, behind by 0.1, level: chance.
  EXPECT_TRUE(is_tie(of({0.3, 0.1, 0.2}), of({0.2, 0.2, 0.2}), true, kFarMiss));
}

TEST(Ranking, OfUnequalCostsIsChanceWhereTheCheaperMayNotBeEnough) {
  EXPECT_FALSE(is_tie(of({0.20, 0.21, 0.22}), of({0.1, 0.1, 0.1}), false, kFarMiss));
  EXPECT_TRUE(is_tie(of({0.00, 0.02, 0.04}), of({0.1, 0.1, 0.1}), false, kFarMiss));  // 0.02 +- 0.05
}

TEST(Ranking, OfUnequalCostsIsChanceWhereTheDearerMayDoWithFewer) {
  const Ranked cheaper = of({0.20, 0.21, 0.22}), dearer = of({0.10, 0.12, 0.14});  // +- 0.05
  EXPECT_TRUE(is_tie(cheaper, dearer, false, 1.04));
  EXPECT_FALSE(is_tie(cheaper, dearer, false, 1.06));
}

/// Loads are told apart by more than an eighth, whatever is left of a target.
TEST(Ranking, OfEqualCostsFollowsTheLoadThatIsCarried) {
  const auto carrying = [](double load, std::vector<double> headrooms) {
    Ranked out = of(std::move(headrooms));
    out.load = load;
    return out;
  };
  EXPECT_TRUE(clearly_more(1.2, 1));
  EXPECT_FALSE(clearly_more(1.125, 1));
  EXPECT_FALSE(is_tie(carrying(2, {0.1, 0.1}), carrying(1.5, {0.9, 0.9}), true, kFarMiss));
  EXPECT_TRUE(is_tie(carrying(1.5625, {0.5, 0.5}), carrying(1.5, {0.1, 0.1}), true, kFarMiss)) << "one step";
  EXPECT_FALSE(is_tie(carrying(1.5, {0.5, 0.5}), carrying(1.5, {0.1, 0.1}), true, kFarMiss)) << "as much: headroom";
}

/// A recorded load has the same requests with every seed.
TEST(Ranking, OfWhatNoSeedChangesIsNoChance) {
  EXPECT_TRUE(of({0.3, 0.3}).fixed());
  EXPECT_FALSE(of({0.3}).fixed());
  EXPECT_FALSE(of({0.3, 0.4}).fixed());
  EXPECT_FALSE(is_tie(of({0.3, 0.3, 0.3}), of({0.2, 0.2, 0.2}), true, kFarMiss));
  EXPECT_TRUE(is_tie(of({0.3, 0.3, 0.3}), of({0.3, 0.3, 0.3}), true, kFarMiss)) << "as good";
}

TEST(Ranking, OfOneSeedSaysNothingOfChance) { EXPECT_FALSE(is_tie(of({0}), of({0}), true, 1)); }
}  // namespace
}  // namespace moesim::sizing
