// What every placement policy promises, for every entry of the table.
#include <gtest/gtest.h>

#include <set>

#include "loads_for_tests.h"
#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {

struct Shape {
  int experts, gpus, nodes, slots, groups;
};
constexpr Shape kShapes[] = {{8, 4, 2, 8, 2},    {8, 8, 2, 16, 4},   {16, 4, 1, 16, 1},  {64, 8, 2, 72, 8},
                             {32, 32, 4, 64, 8}, {60, 12, 3, 72, 6}, {16, 16, 4, 32, 4}, {128, 32, 4, 160, 8}};

PlacementProblem problem_of(const Shape& s) {
  return checked({.gpus = s.gpus, .nodes = s.nodes, .slots = s.slots, .groups = s.groups}, s.experts);
}

class PlacementLaw : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Placement> policy = placements().make(Config::from_text(GetParam(), "test"));
  bool is_eplb() const { return GetParam().starts_with("eplb"); }
};

std::vector<std::string> kinds() {
  std::vector<std::string> out;
  for (const auto& s : placements().table()) out.emplace_back(s.kind);
  return out;
}
INSTANTIATE_TEST_SUITE_P(, PlacementLaw, testing::ValuesIn(kinds()), [](const auto& one) { return one.param; });

TEST_P(PlacementLaw, PlacesEveryExpertWithinTheSlots) {
  for (const Shape& s : kShapes)
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      SCOPED_TRACE(fmt::format("{} experts, {} GPUs, {} slots, seed {}", s.experts, s.gpus, s.slots, seed));
      const Loads loads = skewed_loads(3, s.experts, 1, seed);
      const RoutingSample sample = sample_tokens(loads, 200, 4, seed);
      const PlacementProblem problem = problem_of(s);
      const std::vector<exchange::ExpertMap> maps = policy->place({loads, problem, &sample});
      ASSERT_EQ(maps.size(), 3u);
      for (const exchange::ExpertMap& map : maps) {
        EXPECT_NO_THROW(exchange::check_map(map));
        EXPECT_EQ(map.experts, s.experts);
        EXPECT_EQ(map.gpus, s.gpus);
        EXPECT_EQ(map.slots_per_gpu, s.slots / s.gpus);
      }
      EXPECT_EQ(policy->place({loads, problem, &sample}), maps) << "not deterministic";
    }
}

TEST_P(PlacementLaw, KeepsCopiesOfOneExpertOnDifferentGpus) {
  if (is_eplb()) GTEST_SKIP() << "the published algorithm packs copies without looking";
  for (const Shape& s : kShapes)
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      SCOPED_TRACE(fmt::format("{} experts, {} GPUs, {} slots, seed {}", s.experts, s.gpus, s.slots, seed));
      const Loads loads = skewed_loads(2, s.experts, 2, seed);
      const RoutingSample sample = sample_tokens(loads, 200, 4, seed);
      const PlacementProblem problem = problem_of(s);
      const std::vector<Loads> windows{loads,
                                       loads};  // from a single one `robust` keeps the published algorithm's plan
      for (const exchange::ExpertMap& map :
           policy->place({.loads = loads, .problem = problem, .sample = &sample, .windows = windows}))
        for (int g = 0; g < map.gpus; ++g) {
          std::multiset<int> held(map.slot_to_expert.begin() + g * map.slots_per_gpu,
                                  map.slot_to_expert.begin() + (g + 1) * map.slots_per_gpu);
          held.erase(-1);
          EXPECT_EQ(std::set<int>(held.begin(), held.end()).size(), held.size()) << "GPU " << g;
        }
    }
}

TEST_P(PlacementLaw, RenamedExpertsGetThePlacesOfTheirOldNames) {
  if (GetParam() == "contiguous" || GetParam() == "round_robin" || GetParam() == "random")
    GTEST_SKIP() << "goes by the experts' numbers, not by their loads";
  for (const Shape& s : kShapes)
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      SCOPED_TRACE(fmt::format("{} experts, {} GPUs, {} slots, seed {}", s.experts, s.gpus, s.slots, seed));
      const Loads loads = skewed_loads(2, s.experts, 1, seed);
      const RoutingSample sample = sample_tokens(loads, 200, 4, seed);
      // Groups are runs of numbers, so names change inside groups only.
      Random random(seed, "names");
      std::vector<int> name(std::size_t(s.experts));
      std::iota(name.begin(), name.end(), 0);
      const auto size = std::size_t(s.experts / s.groups);
      for (std::size_t g = 0; g < std::size_t(s.groups); ++g) random.shuffle(std::span(name).subspan(g * size, size));
      Loads renamed = loads;
      for (std::size_t row = 0; row < loads.rows(); ++row)
        for (std::size_t e = 0; e < name.size(); ++e)
          renamed.counts[row * name.size() + std::size_t(name[e])] = loads.row(row)[e];
      RoutingSample renamed_sample = sample;
      for (auto& id : renamed_sample.ids) id = name[std::size_t(id)];

      const PlacementProblem problem = problem_of(s);
      std::vector<exchange::ExpertMap> expected = policy->place({loads, problem, &sample});
      const std::vector<exchange::ExpertMap> got = policy->place({renamed, problem, &renamed_sample});
      for (std::size_t row = 0; row < expected.size(); ++row) {
        for (int& e : expected[row].slot_to_expert)
          if (e >= 0) e = name[std::size_t(e)];
        for (int g = 0; g < s.gpus; ++g) {  // what a GPU holds; with one slot a GPU the published order is by number
          if (is_eplb() && s.slots == s.gpus) continue;
          const auto held = [&](const exchange::ExpertMap& m) {
            return std::multiset<int>(m.slot_to_expert.begin() + g * m.slots_per_gpu,
                                      m.slot_to_expert.begin() + (g + 1) * m.slots_per_gpu);
          };
          EXPECT_EQ(held(got[row]), held(expected[row])) << "layer " << row << ", GPU " << g;
        }
      }
    }
}

TEST_P(PlacementLaw, UsesUnevenGpusAsTheyAre) {
  if (is_eplb()) {
    const Loads loads = skewed_loads(1, 8, 1, 1);
    const PlacementProblem problem = checked({.gpus = 2, .gpu_slots = {5, 3}}, 8);
    EXPECT_THROW(policy->place({loads, problem}), ConfigError);
    return;
  }
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    const Loads loads = skewed_loads(2, 16, 1, seed);
    const RoutingSample sample = sample_tokens(loads, 100, 2, seed);
    const PlacementProblem problem{.gpus = 4, .nodes = 2, .gpu_slots = {8, 4, 3, 6}, .gpu_speed = {2, 1, 1, 1.5}};
    for (const exchange::ExpertMap& map : plan(*policy, {loads, problem, &sample})) {  // plan() checks the slots
      EXPECT_EQ(map.slots_per_gpu, 8);
      for (int g = 0; g < 4; ++g)
        for (int i = problem.gpu_slots[std::size_t(g)]; i < 8; ++i)
          EXPECT_EQ(map.slot_to_expert[std::size_t(g * 8 + i)], -1);
    }
  }
}

TEST_P(PlacementLaw, KeepsGroupsOnNodesWhenAsked) {
  for (const Shape& s : kShapes) {
    SCOPED_TRACE(fmt::format("{} experts, {} GPUs, {} slots", s.experts, s.gpus, s.slots));
    const Loads loads = skewed_loads(2, s.experts, 1, 3);
    const RoutingSample sample = sample_tokens(loads, 100, 4, 3);
    PlacementProblem problem = problem_of(s);
    problem.keep_groups = true;
    for (const exchange::ExpertMap& map : plan(*policy, {loads, problem, &sample})) {
      std::vector<int> node_of_group(std::size_t(s.groups), -1);
      for (int slot = 0; slot < map.slots(); ++slot) {
        const int e = map.slot_to_expert[std::size_t(slot)];
        if (e < 0) continue;
        int& node = node_of_group[std::size_t(e / (s.experts / s.groups))];
        const int here = map.gpu_of(slot) / problem.gpus_per_node();
        EXPECT_TRUE(node == -1 || node == here) << "expert " << e;
        node = here;
      }
    }
  }
}

TEST(NodePlacement, GlobalBalancingInsideNodesIsTheHierarchicalPolicy) {
  const Loads loads = skewed_loads(4, 64, 1, 1);
  PlacementProblem problem = problem_of({64, 8, 2, 72, 8});
  const auto make = [](const char* kind) { return placements().make(Config::from_text(kind, "test")); };
  const std::vector<exchange::ExpertMap> hierarchical = plan(*make("eplb_hierarchical"), {loads, problem});
  problem.keep_groups = true;
  EXPECT_EQ(plan(*make("eplb_global"), {loads, problem}), hierarchical);
}
}  // namespace
}  // namespace moesim::placement
