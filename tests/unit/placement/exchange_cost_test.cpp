#include "placement/scores/exchange_cost.h"

#include <gtest/gtest.h>

#include "../../law/placement/loads_for_tests.h"
#include "placement/policies/local_search.h"

namespace moesim::placement {
namespace {

// Two nodes of one GPU, one expert each; 1 byte a row, 1 byte a second on every port, 1 row a second.
const PortRates kUnit{{1}, {1}, {1}, 1};

TEST(ExchangeCost, AddsTheBusiestPortAndTheSlowestGpu) {
  // Four tokens, two a GPU (0 and 2, 1 and 3).  All want expert 0: GPU 1 sends two tokens over its adapter, GPU 0
  // computes four rows: 2 s + 4 s.
  const RoutingSample all_to_one{4, 1, {0, 0, 0, 0}};
  const Loads loads = loads_of_matrix("x", 1, 2, {4, 1});
  const PlacementProblem problem = checked({.gpus = 2, .nodes = 2}, 2);
  const exchange::ExpertMap map{2, 2, 1, {0, 1}};
  EXPECT_DOUBLE_EQ(exchange_cost(all_to_one, loads, problem, kUnit)(0, map), 6);
  // Each GPU's tokens want its own expert: nothing moves, two rows each.
  const RoutingSample own{4, 1, {0, 1, 0, 1}};
  EXPECT_DOUBLE_EQ(exchange_cost(own, loads, problem, kUnit)(0, map), 2);
  // And crosswise: two tokens over each adapter, two rows each.
  const RoutingSample crossed{4, 1, {1, 0, 1, 0}};
  EXPECT_DOUBLE_EQ(exchange_cost(crossed, loads, problem, kUnit)(0, map), 4);
}

TEST(ExchangeCost, SendsATokenToANodeOnceAndForwardsItInside) {
  // Two nodes of two GPUs, an expert each.  One token, on GPU 0, wants experts 2 and 3 on the other node: one token
  // over GPU 0's adapter to GPU 2, which forwards it to GPU 3; one row each: 1 s + 1 s.
  const RoutingSample one{1, 2, {2, 3}};
  const Loads loads = loads_of_matrix("x", 1, 4, {1, 1, 1, 1});
  const PlacementProblem problem = checked({.gpus = 4, .nodes = 2}, 4);
  EXPECT_DOUBLE_EQ(exchange_cost(one, loads, problem, kUnit)(0, {4, 4, 1, {0, 1, 2, 3}}), 2);
  EXPECT_DOUBLE_EQ(node_visits_cost(one, loads, problem)(0, {4, 4, 1, {0, 1, 2, 3}}), 1 + 1);
  EXPECT_DOUBLE_EQ(node_visits_cost(one, loads, problem)(0, {4, 4, 1, {2, 0, 3, 1}}), 2 + 1);
}

// One node of two GPUs: of four tokens two cross, with rows of 6 bytes at 3 bytes a second (between nodes 2); four
// rows, one a second.
TEST(ExchangeCost, RowsTakeTheirBytes) {
  const RoutingSample all_to_one{4, 1, {0, 0, 0, 0}};
  const Loads loads = loads_of_matrix("x", 1, 2, {4, 1});
  const PlacementProblem inside = checked({.gpus = 2, .nodes = 1}, 2), between = checked({.gpus = 2, .nodes = 2}, 2);
  const PortRates rates{{3}, {2}, {6}, 1};
  EXPECT_DOUBLE_EQ(exchange_cost(all_to_one, loads, inside, rates)(0, {2, 2, 1, {0, 1}}), 2.0 * 6 / 3 + 4);
  EXPECT_DOUBLE_EQ(exchange_cost(all_to_one, loads, between, rates)(0, {2, 2, 1, {0, 1}}), 2.0 * 6 / 2 + 4);
}

// What experts keep together saves, where that is known: pairs 0 2 and 1 3 belong together.  A sample dealt from counts
// knows of no company.
TEST(ExchangeCost, TrafficBeginsFromTheCheaperOfTwoPlans) {
  const RoutingSample pairs{4, 2, {0, 2, 1, 3, 0, 2, 1, 3}};
  RoutingSample dealt = pairs;
  dealt.dealt = true;
  const Loads loads = loads_of_matrix("x", 1, 4, {2.2, 2.1, 1.1, 1});
  const PlacementProblem problem = checked({.gpus = 2, .nodes = 2}, 4);
  const LayerCost seconds = exchange_cost(pairs, loads, problem, PortRates{});
  const auto plan_of = [&](const std::string& config, const RoutingSample& sample) {
    return plan(*placements().make(Config::from_text(config, "test")),
                {.loads = loads, .problem = problem, .sample = &sample, .cost = seconds})[0];
  };
  const auto greedy = plan_of("greedy", pairs), together = plan_of("coactivation", pairs);
  ASSERT_LT(seconds(0, together), seconds(0, greedy));
  EXPECT_EQ(plan_of("{kind: traffic, swaps: 0}", pairs), together);
  EXPECT_EQ(plan_of("{kind: traffic, swaps: 0}", dealt), greedy);
  // Of two that cost the same, the first.
  const LayerCost same = [](std::size_t, const exchange::ExpertMap&) { return 1.0; };
  EXPECT_EQ(plan(*placements().make(Config::from_text("{kind: traffic, swaps: 0}", "test")),
                 {.loads = loads, .problem = problem, .sample = &pairs, .cost = same})[0],
            greedy);
}

TEST(ExchangeCost, FallsUnderStrategiesThatMinimiseIt) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Loads loads = skewed_loads(2, 32, 0.5, seed);
    const RoutingSample sample = sample_tokens(loads, 400, 4, seed);
    const PlacementProblem problem = checked({.gpus = 8, .nodes = 4}, 32);
    const LayerCost cost = exchange_cost(sample, loads, problem, PortRates{});
    const auto placed = [&](const std::string& config) {
      return plan(*placements().make(Config::from_text(config, "test")), {loads, problem, &sample});
    };
    const auto greedy = placed("greedy"), traffic = placed("traffic"),
               searched = placed("{kind: local_search, objective: exchange}"),
               nodes = placed("{kind: local_search, objective: nodes}");
    const LayerCost visits = node_visits_cost(sample, loads, problem);
    for (std::size_t row = 0; row < 2; ++row) {
      EXPECT_LT(cost(row, traffic[row]), cost(row, greedy[row])) << "seed " << seed;
      EXPECT_LT(cost(row, searched[row]), cost(row, greedy[row])) << "seed " << seed;
      EXPECT_LT(visits(row, nodes[row]), visits(row, greedy[row])) << "seed " << seed;
    }
  }
}
}  // namespace
}  // namespace moesim::placement
