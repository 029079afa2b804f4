// Uneven loads as the benchmarks of expert layers draw them.
#include "compute/fitting/expert_loads.h"

#include <gtest/gtest.h>

#include <numeric>

namespace moesim::compute {
namespace {
// To the power of 0 shares lie evenly between the benchmarks' bounds, 1 and 0.8 of the tokens: 8 of 10.
TEST(PowerLaw, SharesLieBetweenTheBenchmarksBounds) {
  const ExpertShape shape{.tokens = 10, .hidden = 1, .width = 1, .top_k = 20'000, .experts = 4, .groups = 1};
  Random drawn(5, "loads"), again(5, "loads");
  const std::vector<std::int64_t> rows = draw_power_law(shape, 0, drawn);
  EXPECT_EQ(std::accumulate(rows.begin(), rows.end(), std::int64_t{0}), 200'000);
  std::vector<double> share;
  for (std::size_t i = 0; i < rows.size(); ++i) share.push_back(1 + (8 - 1) * again.uniform());
  const double sum = std::accumulate(share.begin(), share.end(), 0.0);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(double(rows[i]), share[i] / sum * 200'000, 2) << i;
}

TEST(MostLoaded, IsTheMemberWhoseOwnExpertsHaveMostRows) {
  using Rows = std::vector<std::int64_t>;
  EXPECT_EQ(most_loaded({1, 1, 3, 0, 0, 0}, 2), (Rows{3, 0}));
  EXPECT_EQ(most_loaded({1, 2, 0, 0, 2, 1}, 2), (Rows{1, 2})) << "the first of equals";
  EXPECT_EQ(most_loaded({1, 2, 0, 5}, 1), Rows{5});
}
}  // namespace
}  // namespace moesim::compute
