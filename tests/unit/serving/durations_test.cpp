// Figures of what has not ended for everybody, worked out by hand.
#include "serving/service/durations.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"
#include "serving/service/pace.h"

namespace moesim::serving {
namespace {
TEST(Durations, WithoutOpenOnesAreTheNearestRanks) {
  Durations d{.ended = {4, 1, 3, 2}, .open = {}};
  const Quantiles q = quantiles(d);
  EXPECT_DOUBLE_EQ(q.p50, 2);
  EXPECT_DOUBLE_EQ(q.p90, 4);
  EXPECT_DOUBLE_EQ(q.mean, 2.5);
  EXPECT_EQ(q.count, 4);
}

// Ended after 1 s and 4 s, open since 2 s: 1/3 of three ends at 1 s; of the one left at risk at 4 s, all.
TEST(Durations, WhoIsOpenCountsAmongThoseAtRiskForAsLongAsItHasLasted) {
  Durations d{.ended = {1, 4}, .open = {2}};
  const Quantiles q = quantiles(d);
  EXPECT_DOUBLE_EQ(q.p50, 4);
  EXPECT_NEAR(q.mean, 1 + 3 * 2.0 / 3, 1e-12);
  EXPECT_EQ(q.count, 3);
  Durations at_once{.ended = {1, 4}, .open = {1}};  // as long as the first: still at risk with it
  EXPECT_DOUBLE_EQ(quantiles(at_once).p50, 4);
  Durations before{.ended = {1, 4}, .open = {0.5F}};  // gone before: half of the two ends at 1 s
  EXPECT_DOUBLE_EQ(quantiles(before).p50, 1);
}

TEST(Durations, HaveACurveThatTheirQuantilesLieOn) {
  const std::vector<double> shares = {0.25, 0.5, 0.9, 0.99};
  Durations all{.ended = {4, 1, 3, 2}, .open = {}};
  EXPECT_EQ(times_at(all, shares), (std::vector<double>{1, 2, 4, 4}));
  // Half of two have ended at 1 s; nothing says when the other, open since 3 s, will.
  Durations open{.ended = {1}, .open = {3}};
  const std::vector<double> at = times_at(open, shares);
  EXPECT_EQ(at[0], 1);
  EXPECT_EQ(at[1], 1);
  EXPECT_TRUE(std::isnan(at[2]));
  EXPECT_TRUE(std::isnan(at[3]));
}

TEST(Durations, OfFewSurvivorsSayNothing) {
  Durations d;
  d.ended.assign(22, 1);
  d.open.assign(7133, 100);
  const Quantiles q = quantiles(d);
  EXPECT_TRUE(std::isnan(q.p50));
  EXPECT_TRUE(std::isnan(q.mean));
  EXPECT_EQ(q.count, 7155);
  Durations none{.ended = {}, .open = {5}};
  EXPECT_TRUE(std::isnan(quantiles(none).p50));
}

// Exponential times of mean 10 s, watched for 30 s at most, a third of them for less: quantiles of the whole, not of
// those that ended.
TEST(Durations, EstimateWhatALongerWatchWouldSee) {
  Random random(5, "durations");
  Durations d;
  std::vector<float> ended;
  for (int i = 0; i < 40000; ++i) {
    const double lasts = random.exponential(10), watched = 30 * random.uniform();
    (lasts <= watched ? d.ended : d.open).push_back(float(std::min(lasts, watched)));
    if (lasts <= watched) ended.push_back(float(lasts));
  }
  const Quantiles q = quantiles(d);
  EXPECT_NEAR(q.p50, 10 * std::log(2.0), 0.15);  // three standard errors of a median of so many
  EXPECT_NEAR(q.p90, 10 * std::log(10.0), 0.6);
  EXPECT_LT(quantiles(ended).p90, 0.8 * q.p90) << "survivors would not have misled anybody: the test says nothing";
}

TEST(Pace, KeepsMeansBetweenTwoMoments) {
  Pace pace;
  pace.change(1_s, 2, 1);   // from 1 s: two under way, one of them waits
  pace.change(3_s, 0, -1);  // from 3 s: none waits
  pace.change(4_s, -2, 0);
  pace.advance(8_s);
  EXPECT_NEAR(pace.open(0_s, 8_s), 6.0 / 8, 1e-12);
  EXPECT_NEAR(pace.waiting(0_s, 8_s), 2.0 / 8, 1e-12);
  EXPECT_NEAR(pace.open(2_s, 4_s), 2, 1e-12);
  EXPECT_NEAR(pace.open(4_s, 8_s), 0, 1e-12);
  EXPECT_EQ(pace.most_open(), 2);
}

TEST(Pace, GrowsCoarserButKeepsEveryRequestSecond) {
  Random random(3, "pace");
  Pace pace;
  double sum = 0, open = 0, last = 0, now = 0;
  for (int i = 0; i < 20000; ++i) {
    now += random.exponential(0.5);
    sum += open * (now - last);
    last = now;
    const int change = open > 0 && random.uniform() < 0.5 ? -1 : 1;
    open += change;
    pace.change(from_seconds(now), change, 0);
  }
  EXPECT_NEAR(pace.open(0_s, from_seconds(now)) * now, sum, 1e-6 * sum);
}
}  // namespace
}  // namespace moesim::serving
