// What is carried out of a plan where few weights may move, over random loads, placements in force and limits.
#include <gtest/gtest.h>

#include "loads_for_tests.h"
#include "placement/rebalancing/rebalance.h"

namespace moesim::placement {
namespace {
constexpr int kLayers = 3, kExperts = 32, kSeeds = 12;
constexpr Bytes kExpert{1000};
PlacementProblem problem_of(std::uint64_t seed) {
  PlacementProblem out{.gpus = 8, .nodes = 2, .slots = 40, .groups = 4};
  if (seed % 3 == 1) out.gpu_speed = {1, 1, 1, 2, 1, 1, 0.5, 1};
  if (seed % 3 == 2) out.gpu_slots = {5, 6, 5, 4, 5, 7, 5, 5}, out.slots = 0;
  return checked(out, kExperts);
}

struct Outcome {
  std::int64_t bytes = 0;
  double before = 0, after = 0;
  std::vector<exchange::ExpertMap> maps;
};
/// In force is what greedy makes of other loads.
Outcome outcome(std::uint64_t seed, Bytes most, double least_gain = 0, const char* policy = "greedy") {
  const PlacementProblem problem = problem_of(seed);
  const Loads old = skewed_loads(kLayers, kExperts, 1, seed), now = skewed_loads(kLayers, kExperts, 1, seed + 100);
  const std::vector<exchange::ExpertMap> in_force = plan(*placements().of_kind("greedy"), {old, problem});
  Rebalancer r({.least_gain = least_gain, .most_bytes = most}, rebalance_triggers().of_kind("always"),
               placements().of_kind(policy), problem, {3, 4, 5}, in_force, kExpert);
  r.observe(now.counts);
  Outcome out;
  out.before = r.balancedness();
  for (const LayerChange& change : r.advance()) {
    out.bytes += change.bytes.v;
    const auto gained = [&](const exchange::ExpertMap& map) {
      return balancedness(std::span(&map, 1), problem, now.row(change.row));
    };
    EXPECT_GT(gained(r.maps()[change.row]), gained(in_force[change.row]) + least_gain - 1e-9) << "seed " << seed;
  }
  out.after = r.balancedness();
  out.maps = r.maps();
  return out;
}
Bytes of_experts(int n) { return kExpert * std::int64_t(n); }

TEST(PartialLaw, NoMoreBytesThanAllowedNoBalanceLostAndAllPlacementsLegal) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const PlacementProblem problem = problem_of(seed);
    for (const int most : {1, 2, 3, 5, 8, 13, 21, 34}) {
      const Outcome got = outcome(seed, of_experts(most));
      EXPECT_LE(got.bytes, of_experts(most).v) << "seed " << seed;
      EXPECT_GE(got.after, got.before) << "seed " << seed;
      for (const exchange::ExpertMap& map : got.maps) {
        exchange::check_map(map);
        for (int g = 0; g < map.gpus; ++g)
          for (int i = 0; i < map.slots_per_gpu; ++i)
            EXPECT_TRUE(i < problem.slots_on(g) || map.slot_to_expert[std::size_t(g * map.slots_per_gpu + i)] < 0);
      }
    }
  }
}

TEST(PartialLaw, WhereNoWholeLayerFitsSomeOfItMovesAndHelps) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Outcome all = outcome(seed, {0}), few = outcome(seed, of_experts(4));
    ASSERT_GT(all.bytes, of_experts(4 * kLayers).v) << "seed " << seed;  // a layer's plan moves more
    EXPECT_GT(few.bytes, 0) << "seed " << seed;
    EXPECT_GT(few.after, few.before) << "seed " << seed;
  }
}

TEST(PartialLaw, MoreToMoveBalancesMoreOnAverageAndEnoughIsTheWholePlan) {
  double before = 0;
  for (const int most : {1, 2, 4, 8, 16, 32, 64}) {
    double sum = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) sum += outcome(seed, of_experts(most)).after;
    EXPECT_GE(sum, before) << most;
    before = sum;
  }
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Outcome all = outcome(seed, {0}), exact = outcome(seed, Bytes{all.bytes});
    EXPECT_EQ(exact.maps, all.maps) << "seed " << seed;
    EXPECT_LE(outcome(seed, Bytes{all.bytes - 1}).bytes, all.bytes - 1) << "seed " << seed;
  }
}

TEST(PartialLaw, ALayerThatGainsTooLittleStays) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    (void)outcome(seed, of_experts(3), 0.05);  // asked of every change
    EXPECT_EQ(outcome(seed, of_experts(3), 1).bytes, 0);
  }
}

TEST(PartialLaw, GroupsThatStayOnTheirNodeDoSoAlsoInPart) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    PlacementProblem problem{.gpus = 8, .nodes = 2, .slots = 40, .groups = 4, .keep_groups = true};
    problem = checked(problem, kExperts);
    const Loads old = skewed_loads(kLayers, kExperts, 1, seed), now = skewed_loads(kLayers, kExperts, 1, seed + 100);
    const auto in_force = plan(*placements().of_kind("eplb"), {old, problem});
    Rebalancer r({.most_bytes = of_experts(4)}, rebalance_triggers().of_kind("always"), placements().of_kind("eplb"),
                 problem, {3, 4, 5}, in_force, kExpert);
    r.observe(now.counts);
    EXPECT_FALSE(r.advance().empty()) << "seed " << seed;
    for (std::size_t row = 0; row < in_force.size(); ++row)
      for (int e = 0; e < kExperts; ++e) {
        const int node = in_force[row].gpu_of(in_force[row].copies_of(e / 8 * 8).front()) / 4;
        for (const int slot : r.maps()[row].copies_of(e)) EXPECT_EQ(r.maps()[row].gpu_of(slot) / 4, node);
      }
  }
}
}  // namespace
}  // namespace moesim::placement
