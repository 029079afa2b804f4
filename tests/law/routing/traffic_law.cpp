#include "routing/traffic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "common/traffic_cases.h"

namespace moesim::routing {
namespace {
using namespace test;

INSTANTIATE_TEST_SUITE_P(Traffic, EverySource, ::testing::ValuesIn(synthetic_kinds()),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(EverySource, EveryTokenHasTopKRowsAndNoneTwiceAtAnExpert) {
  for (const TrafficCase& c : kTrafficCases) {
    const auto traffic = traffic_of(GetParam(), c.gate, c.group);
    Traffic t;
    for (const std::int64_t step : {0, 1, 95, 1000}) {
      const std::vector<std::int32_t> tokens(std::size_t(c.group.gpus), c.tokens);
      traffic->draw(5, step, tokens, t);
      ASSERT_EQ(t.sources, c.group.gpus);
      EXPECT_EQ(std::accumulate(t.tokens.begin(), t.tokens.end(), 0), c.tokens * c.group.gpus);
      for (std::size_t s = 0; s < t.tokens.size(); ++s) {
        int sum = 0;
        for (int e = 0; e < c.gate.experts; ++e) {
          const int rows = t.rows[s * std::size_t(c.gate.experts) + std::size_t(e)];
          ASSERT_GE(rows, 0);
          ASSERT_LE(rows, t.tokens[s]);
          sum += rows;
        }
        ASSERT_EQ(sum, t.tokens[s] * c.gate.top_k);
      }
      for (std::size_t i = 0; i < t.choices.size(); i += std::size_t(c.gate.top_k)) {
        const std::set<int> distinct(t.choices.begin() + std::ptrdiff_t(i),
                                     t.choices.begin() + std::ptrdiff_t(i) + c.gate.top_k);
        ASSERT_EQ(distinct.size(), std::size_t(c.gate.top_k));
      }
      if (t.has_lists()) {
        const std::vector<std::int32_t> rows = t.rows;
        count_rows(c.gate, t);
        ASSERT_EQ(t.rows, rows);
      }
    }
  }
}

TEST_P(EverySource, TheSameSeedDrawsTheSameAndAnotherDoesNot) {
  const spec::GroupShape group{16, 8};
  const std::vector<std::int32_t> tokens(16, 100);
  Traffic a, b;
  const auto first = traffic_of(GetParam(), kV3, group), second = traffic_of(GetParam(), kV3, group),
             other = traffic_of(GetParam(), kV3, group, 2);
  second->draw(4, 9, tokens, b);  // what was drawn before does not matter
  first->draw(3, 7, tokens, a);
  second->draw(3, 7, tokens, b);
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.choices, b.choices);
  other->draw(3, 7, tokens, b);
  EXPECT_NE(a.rows, b.rows);
}

TEST_P(EverySource, RowsAndLoadsFollowTheShares) {
  for (const TrafficCase& c :
       {TrafficCase{kV3, {16, 8}, 10}, TrafficCase{kV3, {16, 8}, 2000}, TrafficCase{kOlmoe, {4, 4}, 3}}) {
    const auto traffic = traffic_of(GetParam(), c.gate, c.group);
    const std::size_t experts = std::size_t(c.gate.experts);
    std::vector<double> shares(experts), sum(experts), want(experts), load(experts), loads(experts);
    Traffic t;
    const std::vector<std::int32_t> tokens(std::size_t(c.group.gpus), c.tokens);
    const int total = c.tokens * c.group.gpus, steps = std::max(20, 100'000 / total);
    for (int step = 0; step < steps; ++step) {
      traffic->shares(2, step, shares);
      EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-9);
      traffic->draw(2, step, tokens, t);
      traffic->draw_load(2, step, total, load);
      ASSERT_EQ(std::accumulate(load.begin(), load.end(), 0.0), double(total) * c.gate.top_k);
      for (std::size_t e = 0; e < experts; ++e) {
        for (std::size_t s = 0; s < t.tokens.size(); ++s) sum[e] += t.rows[s * experts + e];
        want[e] += shares[e] * total * c.gate.top_k;
        loads[e] += load[e];
      }
    }
    for (std::size_t e = 0; e < experts; ++e) {
      // Five standard deviations of a Poisson count, and 5 % for what a limit of groups does to the draws.
      const double tolerance = 5 * std::sqrt(want[e]) + 0.05 * want[e] + 1;
      EXPECT_NEAR(sum[e], want[e], tolerance) << "expert " << e;
      EXPECT_NEAR(loads[e], want[e], tolerance) << "expert " << e;
    }
  }
}
}  // namespace
}  // namespace moesim::routing
