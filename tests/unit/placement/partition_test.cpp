#include "placement/planning/partition.h"

#include <gtest/gtest.h>

#include <set>

#include "core/random.h"

namespace moesim::placement {
namespace {

PartitionProblem equal(std::size_t vertices, std::size_t parts, int room) {
  PartitionProblem p;
  p.weight.assign(vertices, 1);
  p.room.assign(parts, room);
  p.speed.assign(parts, 1);
  for (std::size_t v = 0; v < vertices; ++v) p.expert.push_back(int(v));
  return p;
}
double kept(const UseGraph& graph, const std::vector<int>& part) {
  double sum = 0;
  for (std::size_t v = 0; v < part.size(); ++v)
    for (std::size_t w = 0; w < v; ++w)
      if (const auto [e, there] = boost::edge(v, w, graph); there && part[v] == part[w])
        sum += boost::get(boost::edge_weight, graph, e);
  return sum;
}

TEST(Partition, KeepsCliquesTogether) {
  // Even vertices use each other, odd ones too; one weak edge between the two.
  UseGraph graph(8);
  for (std::size_t v = 0; v < 8; ++v)
    for (std::size_t w = v + 2; w < 8; w += 2) boost::add_edge(v, w, 10.0, graph);
  boost::add_edge(0, 1, 1.0, graph);
  const std::vector<int> part = partition(graph, equal(8, 2, 4));
  for (std::size_t v = 2; v < 8; ++v) EXPECT_EQ(part[v], part[v % 2]);
  EXPECT_NE(part[0], part[1]);
}

TEST(Partition, GivesUpCompanyForBalance) {
  // Two heavy vertices that belong together do not fit one part of twice the mean plus tolerance.
  UseGraph graph(4);
  boost::add_edge(0, 1, 100.0, graph);
  PartitionProblem p = equal(4, 2, 2);
  p.weight = {5, 5, 1, 1};
  const std::vector<int> part = partition(graph, p);
  EXPECT_NE(part[0], part[1]);
}

TEST(Partition, FollowsWhatIsAlreadyPlaced) {
  PartitionProblem p = equal(4, 2, 2);
  p.attraction = {{0, 9}, {9, 0}, {0, 9}, {9, 0}};
  EXPECT_EQ(partition(UseGraph(4), p), (std::vector{1, 0, 1, 0}));
}

TEST(Partition, KeepsItsPromisesOnRandomGraphs) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, "graph");
    const std::size_t vertices = 24, parts = 4;
    UseGraph graph(vertices);
    for (std::size_t v = 0; v < vertices; ++v)
      for (std::size_t w = 0; w < v; ++w)
        if (random.below(2)) boost::add_edge(v, w, random.uniform(), graph);
    PartitionProblem p = equal(vertices, parts, 7);
    for (double& w : p.weight) w = 1 + random.uniform();
    for (std::size_t v = 0; v < 6; ++v) p.expert[v] = int(v / 2);  // three experts with two copies each
    const std::vector<int> part = partition(graph, p);
    std::vector<int> used(parts, 0);
    std::set<std::pair<int, int>> held;
    for (std::size_t v = 0; v < vertices; ++v) {
      ++used[std::size_t(part[v])];
      EXPECT_TRUE(held.emplace(part[v], p.expert[v]).second) << "copies of one expert in part " << part[v];
    }
    for (const int n : used) EXPECT_LE(n, 7);
    // Better than what chance keeps: a quarter of the weight, on average.
    double total = 0;
    const auto [first, last] = boost::edges(graph);
    for (auto e = first; e != last; ++e) total += boost::get(boost::edge_weight, graph, *e);
    EXPECT_GT(kept(graph, part), total / 4);
  }
}
}  // namespace
}  // namespace moesim::placement
