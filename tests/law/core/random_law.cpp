#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "core/random.h"

namespace moesim::core {
namespace {
constexpr int kDraws = 200'000;

struct Moments {
  double mean = 0, variance = 0;
};
Moments moments(const std::function<double()>& draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

// Expected moments are the distributions' textbook values; five standard errors of 200,000 draws bound the chance.
TEST(Random, DistributionsHaveTheirTextbookMoments) {
  Random random(7, "moments");
  struct Case {
    const char* name;
    double mean, variance;
    std::function<double()> draw;
  };
  const Case cases[] = {
      {"uniform", 0.5, 1.0 / 12, [&] { return random.uniform(); }},
      {"normal", 0, 1, [&] { return random.normal(); }},
      {"exponential", 3, 9, [&] { return random.exponential(3); }},
      {"gamma 0.5", 0.5, 0.5, [&] { return random.gamma(0.5); }},
      {"gamma 4", 4, 4, [&] { return random.gamma(4); }},
      {"poisson 2", 2, 2, [&] { return double(random.poisson(2)); }},
      {"poisson 500", 500, 500, [&] { return double(random.poisson(500)); }},
      {"log-normal", std::exp(0.125), (std::exp(0.25) - 1) * std::exp(0.25), [&] { return random.log_normal(0, 0.5); }},
  };
  for (const Case& c : cases) {
    const Moments got = moments(c.draw);
    EXPECT_NEAR(got.mean, c.mean, 5 * std::sqrt(c.variance / kDraws)) << c.name;
    EXPECT_NEAR(got.variance, c.variance, 0.05 * c.variance) << c.name;
  }
}

TEST(Random, StreamsOfOneSeedAreIndependentAndRepeatable) {
  Random a(1, "a"), again(1, "a"), b(1, "b"), other(2, "a");
  int equal_b = 0, equal_other = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t x = a.bits();
    EXPECT_EQ(x, again.bits());
    equal_b += x == b.bits();
    equal_other += x == other.bits();
  }
  EXPECT_EQ(equal_b + equal_other, 0);
}

TEST(Random, BelowIsUniform) {
  Random random(3, "below");
  std::map<std::uint64_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[random.below(7)];
  ASSERT_EQ(counts.size(), 7u);
  for (const auto& [value, n] : counts) EXPECT_NEAR(n, kDraws / 7.0, 5 * std::sqrt(kDraws / 7.0)) << value;
  EXPECT_THROW(random.below(0), std::logic_error);
}

TEST(Discrete, DrawsInProportionAndNeverAZeroWeight) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed, "discrete");
    std::vector<double> weights(1 + random.below(50));
    for (double& w : weights) w = random.below(3) == 0 ? 0 : random.uniform();
    weights[random.below(weights.size())] = 1;
    double sum = 0;
    for (double w : weights) sum += w;
    const Discrete discrete(weights);
    std::vector<int> counts(weights.size());
    for (int i = 0; i < 20'000; ++i) ++counts[discrete(random)];
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double expected = 20'000 * weights[i] / sum;
      EXPECT_NEAR(counts[i], expected, 6 * std::sqrt(expected)) << "seed " << seed << ", item " << i;
    }
  }
}

TEST(Random, ShuffleKeepsEveryItem) {
  Random random(5, "shuffle");
  std::vector<int> items(100), sorted;
  for (int i = 0; i < 100; ++i) items[std::size_t(i)] = i;
  random.shuffle(std::span(items));
  sorted = items;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_NE(items, sorted);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sorted[std::size_t(i)], i);
}
}  // namespace
}  // namespace moesim::core
