// Where designs put the points of a sweep.
#include <gtest/gtest.h>

#include <set>

#include "core/random.h"
#include "runs/sweeping/confidence.h"
#include "runs/sweeping/design.h"

namespace moesim::runs {
namespace {
using Places = std::vector<std::vector<double>>;
constexpr std::size_t kWhole = 0;  // an axis that is a range

Places places(const std::string& design, const std::vector<std::size_t>& values) {
  return designs().make(Config::from_text(design, "test"))->places(values);
}
std::size_t index(double place, std::size_t n) { return std::size_t(place * double(n)); }

TEST(DesignLaw, AGridHasEveryCombinationOnceInCountingOrder) {
  for (const std::vector<std::size_t>& sizes :
       {std::vector<std::size_t>{1}, {7}, {3, 4}, {2, 1, 5}, {3, 3, 3, 3}, {49, 49}, {1000}}) {
    const Places all = places("grid", sizes);
    std::size_t number = 0;
    for (const std::vector<double>& place : all) {
      std::size_t counted = 0;
      for (std::size_t a = 0; a < sizes.size(); ++a) counted = counted * sizes[a] + index(place[a], sizes[a]);
      EXPECT_EQ(counted, number++);
    }
    EXPECT_EQ(double(number), designs().of_kind("grid")->count(sizes));
  }
}

TEST(DesignLaw, AListTakesTheSameValueOfEveryAxis) {
  const Places all = places("list", {5, 5, 5});
  ASSERT_EQ(all.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i)
    for (const double place : all[i]) EXPECT_EQ(index(place, 5), i);
}

TEST(DesignLaw, ALatinHypercubeHasOnePointInEachPartOfEveryAxis) {
  for (int seed = 0; seed < 20; ++seed)
    for (const std::size_t n : {1u, 2u, 17u, 100u}) {
      const Places all =
          places(fmt::format("{{kind: latin_hypercube, points: {}, seed: {}}}", n, seed), {kWhole, 3, kWhole});
      for (std::size_t a = 0; a < 3; ++a) {
        std::set<std::size_t> parts;
        for (const auto& place : all) {
          ASSERT_GE(place[a], 0);
          ASSERT_LT(place[a], 1);
          parts.insert(index(place[a], n));
        }
        EXPECT_EQ(parts.size(), n) << "seed " << seed << ", axis " << a;
      }
    }
}

TEST(DesignLaw, RandomPointsFillTheirRangesAndGoOnWhereFewerEnd) {
  const Places many = places("{kind: random, points: 4000, seed: 3}", {kWhole, kWhole});
  const Places few = places("{kind: random, points: 100, seed: 3}", {kWhole, kWhole, kWhole});
  double mean = 0, product = 0;
  for (const auto& place : many) mean += place[0] / 4000, product += place[0] * place[1] / 4000;
  EXPECT_NEAR(mean, 0.5, 0.02);
  EXPECT_NEAR(product, 0.25, 0.02);  // the axes do not know of each other
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(few[i][0], many[i][0]);
    EXPECT_EQ(few[i][1], many[i][1]);
  }
  EXPECT_NE(places("{kind: random, points: 3, seed: 4}", {kWhole}),
            places("{kind: random, points: 3, seed: 5}", {kWhole}));
}

TEST(Confidence, IntervalsOfNormalValuesHoldTheirMeanNineteenTimesInTwenty) {
  Random random(1, "normal values");
  for (const std::size_t n : {2u, 3u, 5u, 12u, 40u}) {
    int held = 0;
    constexpr int kTrials = 20000;
    std::vector<double> values(n);
    for (int t = 0; t < kTrials; ++t) {
      for (double& v : values) v = 7 + 3 * random.normal();
      const Mean m = mean_of(values);
      held += std::abs(m.mean - 7) <= m.half_width;
    }
    EXPECT_NEAR(double(held) / kTrials, 0.95, 0.005) << n << " values";  // three standard deviations
  }
}

TEST(Confidence, StudentsQuantilesAreTheTables) {
  // Abramowitz, Stegun, table 26.10.
  const std::pair<int, double> table[] = {{1, 12.706}, {2, 4.303},  {5, 2.571},  {10, 2.228},
                                          {11, 2.201}, {15, 2.131}, {30, 2.042}, {120, 1.980}};
  for (const auto& [freedom, value] : table) EXPECT_NEAR(student_97_5(freedom), value, 6e-4) << freedom;
  EXPECT_EQ(mean_of(std::vector<double>{4}).half_width, 0);
  EXPECT_NEAR(mean_of(std::vector<double>{1, 3}).half_width, 12.706, 1e-9);  // deviation sqrt(2), over sqrt(2)
}
}  // namespace
}  // namespace moesim::runs
