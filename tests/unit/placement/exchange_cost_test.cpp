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
