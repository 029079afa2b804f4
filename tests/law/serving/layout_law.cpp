// Instances that are spread over nodes lie where they may, and as far apart as they can.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/ceil_div.h"
#include "core/random.h"
#include "serving/deployment/layout.h"

namespace moesim::serving {
namespace {
std::vector<Taken> pools_of(Random& random, int per_node) {
  std::vector<Taken> out;
  for (std::uint64_t p = 0, n = 1 + random.below(3); p < n; ++p) {
    int gpus = 1;
    for (std::uint64_t twice = random.below(5); twice > 0 && gpus <= per_node; --twice) gpus *= 2;
    out.push_back({gpus, 1 + int(random.below(9))});
  }
  return out;
}

/// As many nodes as one pool after the other takes.
int nodes_of(const std::vector<Taken>& pools, int per_node) {
  const Places packed = packed_places(pools, per_node);
  return ceil_div(packed.back().back() + pools.back().gpus, per_node);
}

TEST(Layout, SpreadsInstancesOverTheNodesThatTheyWouldTakeAnyway) {
  int apart = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed, "layout");
    const int per_node = 2 << random.below(3);
    const std::vector<Taken> pools = pools_of(random, per_node);
    const int nodes = nodes_of(pools, per_node);
    const auto places = spread_places(pools, per_node, nodes);
    ASSERT_TRUE(places) << "sizes that divide each other fit as well as packed, seed " << seed;
    std::set<int> taken;
    std::map<int, int> used;                                // GPUs of a node
    std::vector<std::map<int, int>> on_node(pools.size());  // instances
    for (std::size_t p = 0; p < pools.size(); ++p) {
      ASSERT_EQ(int((*places)[p].size()), pools[p].instances);
      EXPECT_TRUE(std::ranges::is_sorted((*places)[p]));
      for (const int first : (*places)[p]) {
        EXPECT_EQ(first % std::min(pools[p].gpus, per_node), 0) << "seed " << seed;
        ++on_node[p][first / per_node];
        for (int gpu = first; gpu < first + pools[p].gpus; ++gpu, ++used[(gpu - 1) / per_node])
          EXPECT_TRUE(taken.insert(gpu).second) << "GPU " << gpu << ", seed " << seed;
      }
    }
    EXPECT_LT(*taken.rbegin(), nodes * per_node);
    for (std::size_t p = 0; p < pools.size(); ++p)
      for (int a = 0; a < nodes && pools[p].gpus < per_node; ++a)
        for (int b = 0; b < nodes; ++b)
          if (used[b] + pools[p].gpus <= per_node) {
            EXPECT_LE(on_node[p][a], on_node[p][b] + 1) << "nodes " << a << " and " << b << ", seed " << seed;
          }
    apart += *places != packed_places(pools, per_node);
  }
  EXPECT_GT(apart, 50);
}

TEST(Layout, SaysWhereTheyDoNotFit) {
  EXPECT_FALSE(spread_places({{4, 3}}, 8, 1));
  EXPECT_FALSE(spread_places({{8, 2}, {1, 1}}, 8, 2));
  EXPECT_EQ(spread_places({{4, 2}}, 8, 1), (Places{{0, 4}}));
  EXPECT_EQ(spread_places({{2, 3}, {8, 1}}, 8, 3), (Places{{0, 2, 8}, {16}}));
}
}  // namespace
}  // namespace moesim::serving
