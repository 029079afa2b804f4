// Few tokens, drawn one by one: as many experts as a token has, each as often as its share says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "serving/step/few_tokens.h"

namespace moesim::serving {
namespace {
std::vector<double> some_shares(Random& random, std::size_t experts) {
  std::vector<double> out(experts);
  double sum = 0;
  for (double& p : out) sum += p = random.log_normal(0, 0.8);
  for (double& p : out) p /= sum;
  return out;
}

TEST(FewTokens, OneTokenHasTopKDifferentExperts) {
  Random random(1, "one");
  for (int i = 0; i < 200; ++i) {
    std::vector<double> shares = some_shares(random, 64);
    ASSERT_TRUE(draw_few(random, 1, 6, shares));
    EXPECT_EQ(std::ranges::count_if(shares, [](double p) { return std::abs(p - 1.0 / 6) < 1e-12; }), 6);
    EXPECT_EQ(std::ranges::count(shares, 0.0), 58);
  }
}

TEST(FewTokens, NoExpertHasMoreRowsThanThereAreTokens) {
  Random random(2, "several");
  for (int tokens = 1; tokens <= 32; ++tokens) {
    std::vector<double> shares = some_shares(random, 32);
    ASSERT_TRUE(draw_few(random, tokens, 4, shares));
    EXPECT_LE(std::ranges::max(shares) * tokens * 4, tokens + 1e-9);
    EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-12);
    for (const double p : shares) EXPECT_NEAR(p * tokens * 4, std::round(p * tokens * 4), 1e-9);
  }
}

TEST(FewTokens, ShareIsWhatIsDrawnInTheMean) {
  Random random(3, "mean");
  std::vector<double> shares = some_shares(random, 16), sum(16);
  const double most = std::ranges::max(shares) * 2;
  ASSERT_LT(most, 1) << "none is so hot that it is always chosen";
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<double> one = shares;
    draw_few(random, 3, 2, one);
    for (std::size_t e = 0; e < sum.size(); ++e) sum[e] += one[e] / kDraws;
  }
  for (std::size_t e = 0; e < sum.size(); ++e)  // within 5 standard deviations of a mean of 3 x 20,000 tokens
    EXPECT_NEAR(sum[e] * 2, shares[e] * 2, 5 * std::sqrt(shares[e] * 2 / (3.0 * kDraws))) << e;
}

TEST(FewTokens, ExpertsThatEveryTokenNeedsAreInEach) {
  Random random(4, "hot");
  for (int i = 0; i < 50; ++i) {
    std::vector<double> shares = {0.9, 0.04, 0.03, 0.02, 0.01};
    ASSERT_TRUE(draw_few(random, 4, 2, shares));
    EXPECT_NEAR(shares[0], 0.5, 1e-12);
  }
}

TEST(FewTokens, FractionsOfATokenAreOneMoreAsOften) {
  Random random(5, "fraction");
  int more = 0;
  for (int i = 0; i < 10000; ++i) {
    std::vector<double> shares(64, 1.0 / 64);
    draw_few(random, 1.25, 1, shares);
    more += std::ranges::max(shares) < 1 - 1e-9;  // two tokens, nearly always with different experts
  }
  EXPECT_NEAR(more / 10000.0, 0.25 * 63 / 64, 0.025);
}

TEST(FewTokens, NothingIsDrawnWhereAllAreChosen) {
  Random random(6, "all");
  std::vector<double> shares = {0.5, 0.5, 0};
  EXPECT_FALSE(draw_few(random, 4, 2, shares));
  EXPECT_EQ(shares, (std::vector<double>{0.5, 0.5, 0}));
}
}  // namespace
}  // namespace moesim::serving
