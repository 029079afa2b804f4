// Strategies that look at which experts tokens use together, on routing whose structure is known.
#include <gtest/gtest.h>

#include <set>

#include "../../law/placement/loads_for_tests.h"
#include "placement/planning/used_together.h"
#include "placement/scores/exchange_cost.h"
#include "placement/scores/score.h"

namespace moesim::placement {
namespace {

std::vector<exchange::ExpertMap> placed(const std::string& kind, const Loads& loads, const RoutingSample& sample,
                                        const PlacementProblem& problem) {
  return plan(*placements().make(Config::from_text(kind, "test")), {loads, problem, &sample});
}

TEST(UsedTogether, CountsPairsOfOneTokenAndOfTwoLayers) {
  // One token: experts 0 and 2 in the first layer, 1 and nothing in the second.
  const RoutingSample sample{1, 2, {0, 2, 1, -1}};
  EXPECT_EQ(together(sample, 0, 3), (std::vector<double>{0, 0, 1, 0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(transitions(sample, 0, 3), (std::vector<double>{0, 1, 0, 0, 0, 0, 0, 1, 0}));
}

TEST(CoActivation, BringsTogetherWhatTokensUseTogether) {
  // sample_tokens: even tokens use even experts, odd ones odd experts.
  const Loads loads = skewed_loads(2, 16, 0.3, 1);
  const RoutingSample sample = sample_tokens(loads, 500, 4, 1);
  const PlacementProblem problem = checked({.gpus = 4, .nodes = 2}, 16);
  const LayerCost visits = node_visits_cost(sample, loads, problem);
  const auto coactivation = placed("coactivation", loads, sample, problem),
             greedy = placed("greedy", loads, sample, problem);
  for (std::size_t row = 0; row < 2; ++row) EXPECT_LT(visits(row, coactivation[row]), visits(row, greedy[row]) - 0.3);
}

TEST(Affinity, KeepsTokensOnTheirNodeFromLayerToLayer) {
  // A token that uses expert e in one layer uses 7 - e in the next.
  const int experts = 8, layers = 4;
  RoutingSample sample{800, 1, {}};
  for (int layer = 0; layer < layers; ++layer)
    for (int t = 0; t < 800; ++t) sample.ids.push_back(layer % 2 ? 7 - t % experts : t % experts);
  const Loads loads = loads_of_matrix("x", layers, experts, std::vector<double>(std::size_t(layers * experts), 100));
  for (const auto& [gpus, nodes] : {std::pair(4, 2), std::pair(2, 1)}) {
    const PlacementProblem problem = checked({.gpus = gpus, .nodes = nodes}, experts);
    const std::vector<exchange::ExpertMap> maps = placed("affinity", loads, sample, problem);
    const auto part = [&, per = nodes > 1 ? gpus / nodes : 1](int layer, int e) {
      const exchange::ExpertMap& map = maps[std::size_t(layer)];
      return map.gpu_of(map.copies_of(e)[0]) / per;
    };
    for (int layer = 0; layer + 1 < layers; ++layer)
      for (int e = 0; e < experts; ++e) EXPECT_EQ(part(layer, e), part(layer + 1, 7 - e)) << gpus << " GPUs";
  }
}
TEST(Joint, KeepsTheNodesOfItsTokensAndBalancesTheGpusOfEach) {
  const auto per_node = [](const exchange::ExpertMap& map) {
    std::vector<std::multiset<int>> out(2);
    for (int s = 0; s < map.slots(); ++s)
      out[std::size_t(map.gpu_of(s) / 4)].insert(map.slot_to_expert[std::size_t(s)]);
    return out;
  };
  double joint_balance = 0, plain_balance = 0;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Loads loads = skewed_loads(3, 64, 0.8, seed);
    const RoutingSample sample = sample_tokens(loads, 500, 4, seed);
    const PlacementProblem problem = checked({.gpus = 8, .nodes = 2, .slots = 72}, 64);
    const auto joint = placed("joint", loads, sample, problem),
               plain = placed("{kind: coactivation, tolerance: 0.05}", loads, sample, problem);
    for (std::size_t row = 0; row < joint.size(); ++row) EXPECT_EQ(per_node(joint[row]), per_node(plain[row]));
    joint_balance += score(loads, joint, problem).balancedness;
    plain_balance += score(loads, plain, problem).balancedness;
  }
  EXPECT_GT(joint_balance, plain_balance);
}
}  // namespace
}  // namespace moesim::placement
