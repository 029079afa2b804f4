#include "compute/fitting/fit.h"

#include <gtest/gtest.h>

#include <cmath>

namespace moesim::compute {
namespace {
TEST(Fit, FindsTheBottomOfAValley) {
  const auto f = [](const std::vector<double>& x) {
    return std::pow(1 - x[0], 2) + 100 * std::pow(x[1] - x[0] * x[0], 2);  // Rosenbrock's valley, lowest at (1, 1)
  };
  const std::vector<double> x = minimise(f, {-1.2, 1}, 0.5, 2000);
  EXPECT_NEAR(x[0], 1, 1e-3);
  EXPECT_NEAR(x[1], 1, 1e-3);
}

TEST(Fit, DescendsToTheBottomAndStaysWithinBounds) {
  const auto line = [](const std::vector<double>& x) {  // residuals of y = a + b t at t = 0, 1, 2 for a = 0.25, b = 0.5
    return std::vector<double>{x[0] - 0.25, x[0] + x[1] - 0.75, x[0] + 2 * x[1] - 1.25};
  };
  const std::vector<double> x = descend(line, {0.9, 0.1}, 2.5, 500);
  EXPECT_NEAR(x[0], 0.25, 1e-3);
  EXPECT_NEAR(x[1], 0.5, 1e-3);
  const auto far = [](const std::vector<double>& v) { return std::vector<double>{v[0] - 3, v[1] + 1}; };
  EXPECT_EQ(descend(far, {0.5, 0.5}, 2, 200), (std::vector<double>{1, 0}));
}
}  // namespace
}  // namespace moesim::compute
