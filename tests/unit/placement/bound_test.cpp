#include "placement/scores/bound.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../../law/placement/loads_for_tests.h"
#include "placement/planning/packing.h"
#include "placement/policies/local_search.h"

namespace moesim::placement {
namespace {

PlacementProblem problem(int gpus, int slots, std::vector<double> speed = {}, std::vector<int> gpu_slots = {}) {
  return {.gpus = gpus, .nodes = 1, .slots = slots, .gpu_slots = std::move(gpu_slots), .gpu_speed = std::move(speed)};
}

TEST(Bound, IsTheLargestOfItsParts) {
  // Mean: 12 over 2 GPUs.
  EXPECT_DOUBLE_EQ(lower_bound(std::vector<double>{3, 3, 3, 3}, problem(2, 4)), 6);
  // Copies: one spare slot halves the hottest expert, 10 to 5; the other carries 1.
  EXPECT_DOUBLE_EQ(copies_bound(std::vector<double>{10, 1}, problem(3, 3)), 5);
  EXPECT_DOUBLE_EQ(copies_bound(std::vector<double>{10, 1}, problem(2, 9)), 5);  // no more than a copy a GPU
  // Pigeons: three experts on two GPUs, two share one; the lightest such pair is 4 + 3.
  EXPECT_DOUBLE_EQ(pigeon_bound(std::vector<double>{5, 4, 3}, problem(2, 3)), 7);
  // With one spare slot two of the top three may be alone: 4 experts, then 3 + 2.
  EXPECT_DOUBLE_EQ(pigeon_bound(std::vector<double>{5, 4, 3, 2}, problem(2, 5)), 5);
}

TEST(Bound, WeighsSpeedsAndSlotsOfUnevenGpus) {
  // A GPU twice as fast takes two thirds of the load: 12 / 3; with two slots no more than half of it: 6 / 1.
  EXPECT_NEAR(relaxation_bound(std::vector<double>{3, 3, 3, 3}, problem(2, 8, {2, 1})), 4, 1e-9);
  EXPECT_NEAR(relaxation_bound(std::vector<double>{3, 3, 3, 3}, problem(2, 4, {2, 1})), 6, 1e-9);
  // It has one slot only, so it takes at most one expert's worth: the slow GPU keeps 9.
  EXPECT_NEAR(relaxation_bound(std::vector<double>{3, 3, 3, 3}, problem(2, 4, {2, 1}, {1, 3})), 9, 1e-9);
}

/// Slowest GPU of the best of all placements, by trying every one.
double best_of_all(std::span<const double> load, const PlacementProblem& p) {
  double best = 1e300;
  exchange::ExpertMap map = empty_map(int(load.size()), p);
  std::vector<std::size_t> slots;
  for (int g = 0; g < p.gpus; ++g)
    for (int i = 0; i < p.slots_on(g); ++i) slots.push_back(std::size_t(g * map.slots_per_gpu + i));
  const auto fill = [&](const auto& self, std::size_t i) -> void {
    if (i == slots.size()) {
      for (int e = 0; e < map.experts; ++e)
        if (map.copies_of(e).empty()) return;
      best = std::min(best, std::ranges::max(gpu_times(map, p, load)));
      return;
    }
    for (int e = -1; e < map.experts; ++e) {
      map.slot_to_expert[slots[i]] = e;
      self(self, i + 1);
    }
  };
  fill(fill, 0);
  return best;
}

TEST(Bound, IsNeverAboveTheBestOfAllPlacements) {
  int tight = 0;
  double excess = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, "bound test");
    std::vector<double> load(3 + random.below(2));
    for (double& l : load) l = double(1 + random.below(20));
    PlacementProblem p = problem(2 + int(random.below(2)), int(load.size()) + int(random.below(2)));
    if (seed % 3 == 0) p.gpu_speed = std::vector<double>{2, 1, 1.5};
    p.gpu_speed.resize(p.gpu_speed.empty() ? 0 : std::size_t(p.gpus));
    const double best = best_of_all(load, p), bound = lower_bound(load, p);
    EXPECT_LE(bound, best * (1 + 1e-9));
    tight += bound > best * 0.999;
    // Greedy, improved, is never better than the best, and on average close to it.
    exchange::ExpertMap map = longest_first(load, p);
    const double greedy = std::ranges::max(gpu_times(map, p, load));
    balance(map, p, load, 100);
    const double improved = std::ranges::max(gpu_times(map, p, load));
    EXPECT_LE(improved, greedy * (1 + 1e-9));
    EXPECT_GE(improved, best * (1 - 1e-9));
    excess += improved / best - 1;
  }
  EXPECT_LT(excess / 30, 0.1);
  EXPECT_GE(tight, 8) << "the bound is loose everywhere";
}

TEST(Bound, KnowsThatGroupsStayTogether) {
  // Groups of 2: 9, 1, 1, 1 on two nodes of one GPU: 9 + 1.
  PlacementProblem p{.gpus = 2, .nodes = 2, .slots = 8, .groups = 4, .keep_groups = true};
  EXPECT_DOUBLE_EQ(group_bound(std::vector<double>{5, 4, 1, 0, 0, 1, 1, 0}, p), 10);
  // Pigeons: of the three heaviest groups two share a node.
  EXPECT_DOUBLE_EQ(group_bound(std::vector<double>{5, 4, 4, 4, 7, 0, 1, 0}, p), 15);
}
}  // namespace
}  // namespace moesim::placement
