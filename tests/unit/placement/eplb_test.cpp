#include "placement/policies/eplb.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/random.h"
#include "placement/planning/packing.h"
#include "support/places.h"

namespace moesim::placement {
namespace {
using Matrix = std::vector<std::vector<double>>;

std::vector<int> place(const std::vector<double>& load, int replicas, int groups, int nodes, int gpus) {
  std::vector<int> out(std::size_t(replicas), -1);
  Eplb(int(load.size()), replicas, groups, nodes, gpus).place(load, out);
  return out;
}

TEST(Eplb, PlacesThePublishedExample) {
  // The loads of EPLB's own README, 16 slots, 4 groups on 2 nodes, 8 GPUs.
  const std::vector<double> first{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86};
  const std::vector<double> second{20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27};
  EXPECT_EQ(place(first, 16, 4, 2, 8), (std::vector{5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1}));
  EXPECT_EQ(place(second, 16, 4, 2, 8), (std::vector{7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1}));
  // Max over mean GPU load 1.208 and 1.242.
  PlacementProblem problem{.gpus = 8, .nodes = 2, .slots = 16};
  for (const auto& [load, expected] : {std::pair(first, 1.208), std::pair(second, 1.242)}) {
    exchange::ExpertMap map{12, 8, 2, place(load, 16, 4, 2, 8)};
    const std::vector<double> times = gpu_times(map, problem, load);
    const double mean = std::accumulate(times.begin(), times.end(), 0.0) / 8;
    EXPECT_NEAR(*std::ranges::max_element(times) / mean, expected, 0.0005);
  }
}

TEST(Eplb, GivesTheFirstIndexEveryTie) {
  // Equal loads: copies go to experts 0 and 1; the copies of those two are the lightest and come last.
  EXPECT_EQ(place({6, 6, 6, 6}, 6, 1, 1, 2), (std::vector{2, 0, 0, 3, 1, 1}));
  // One slot a GPU is the identity: experts in order, then the copies.
  EXPECT_EQ(place({1, 9, 2}, 4, 1, 1, 4), (std::vector{0, 1, 2, 1}));
  // No load at all: GPU 0 is the lightest until it is full.
  EXPECT_EQ(place({0, 0, 0, 0}, 4, 1, 1, 2), (std::vector{0, 1, 2, 3}));
}

TEST(Eplb, AddsInSinglePrecision) {
  // 2^24 + 1 is 2^24 in float32: group 1 (experts 2 and 3) only ties with group 0, which then gets node 0.
  const double big = 16777216;
  EXPECT_EQ(place({big, 0, big, 1, 5, 0, 3, 0}, 8, 4, 2, 2), (std::vector{0, 4, 1, 5, 2, 6, 3, 7}));
  // 2^24 + 2 is exact and heavier: group 1 goes first.
  EXPECT_EQ(place({big, 0, big, 2, 5, 0, 3, 0}, 8, 4, 2, 2), (std::vector{2, 6, 3, 7, 0, 4, 1, 5}));
}

/// The published steps written down plainly, with linear scans.
std::vector<int> naive(const std::vector<double>& load, int replicas, int groups, int nodes, int gpus) {
  const auto pack = [](const std::vector<float>& weights, int packs) {
    const int room = int(weights.size()) / packs;
    std::vector<std::pair<int, int>> where(weights.size());
    if (room == 1) {
      for (std::size_t i = 0; i < where.size(); ++i) where[i] = {int(i), 0};
      return where;
    }
    std::vector<std::size_t> order(weights.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](auto a, auto b) { return weights[a] > weights[b]; });
    std::vector<float> sum(std::size_t(packs), 0);
    std::vector<int> used(std::size_t(packs), 0);
    for (const auto i : order) {
      std::size_t best = sum.size();
      for (std::size_t p = 0; p < sum.size(); ++p)
        if (used[p] < room && (best == sum.size() || sum[p] < sum[best])) best = p;
      where[i] = {int(best), used[best]++};
      sum[best] += weights[i];
    }
    return where;
  };
  const int size = int(load.size()) / groups;
  std::vector<float> group_weight(std::size_t(groups), 0);
  for (std::size_t e = 0; e < load.size(); ++e) group_weight[e / std::size_t(size)] += float(load[e]);
  const auto group_at = pack(group_weight, nodes);
  std::vector<int> slots(std::size_t(replicas), -1);
  for (int node = 0; node < nodes; ++node) {
    std::vector<int> experts;
    for (int rank = 0; rank < groups / nodes; ++rank)
      for (int g = 0; g < groups; ++g)
        if (group_at[std::size_t(g)] == std::pair(node, rank))
          for (int e = g * size; e < (g + 1) * size; ++e) experts.push_back(e);
    std::vector<int> items = experts;
    std::vector<int> count(load.size(), 1);
    while (int(items.size()) < replicas / nodes) {
      int best = experts[0];
      for (const int e : experts)
        if (float(load[std::size_t(e)]) / float(count[std::size_t(e)]) >
            float(load[std::size_t(best)]) / float(count[std::size_t(best)]))
          best = e;
      ++count[std::size_t(best)];
      items.push_back(best);
    }
    std::vector<float> weights;
    for (const int e : items) weights.push_back(float(load[std::size_t(e)]) / float(count[std::size_t(e)]));
    const auto at = pack(weights, gpus / nodes);
    for (std::size_t i = 0; i < items.size(); ++i)
      slots[std::size_t((node * (gpus / nodes) + at[i].first) * (replicas / gpus) + at[i].second)] = items[i];
  }
  return slots;
}

TEST(Eplb, EqualsThePlainStepsOnRandomLoads) {
  struct Shape {
    int experts, replicas, groups, nodes, gpus;
  };
  for (const Shape s : {Shape{8, 16, 4, 2, 8}, Shape{64, 72, 1, 1, 8}, Shape{256, 288, 8, 4, 32},
                        Shape{256, 288, 1, 1, 144}, Shape{16, 64, 2, 2, 4}, Shape{12, 12, 6, 3, 12}})
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE(fmt::format("{} experts, {} GPUs, seed {}", s.experts, s.gpus, seed));
      Random random(seed, "eplb test");
      std::vector<double> load(std::size_t(s.experts));
      // Odd seeds have few distinct values, so that ties are common.
      for (double& l : load) l = seed % 2 ? double(random.below(4)) : std::floor(random.log_normal(6, 1));
      EXPECT_EQ(place(load, s.replicas, s.groups, s.nodes, s.gpus), naive(load, s.replicas, s.groups, s.nodes, s.gpus));
    }
}

TEST(Eplb, EqualsTheReferenceCasesToTheLastSlot) {
  const std::string file = test::source_dir() + "/../shared/data/eplb/cases.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "the reference cases are not here";
  const auto cases = nlohmann::json::parse(std::ifstream(file)).at("cases");
  EXPECT_EQ(cases.size(), 21u);
  for (const auto& c : cases) {
    SCOPED_TRACE(c.at("name").get<std::string>());
    const auto weight = c.at("weight").get<Matrix>();
    const auto expected = c.at("phy2log").get<std::vector<std::vector<int>>>();
    const int groups = c.at("groups"), nodes = c.at("nodes");
    const bool by_node = groups % nodes == 0;
    for (std::size_t layer = 0; layer < weight.size(); ++layer)
      EXPECT_EQ(place(weight[layer], c.at("replicas"), by_node ? groups : 1, by_node ? nodes : 1, c.at("gpus")),
                expected[layer]);
  }
}
}  // namespace
}  // namespace moesim::placement
