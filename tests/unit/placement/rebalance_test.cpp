#include "placement/rebalancing/rebalance.h"

#include <gtest/gtest.h>

#include "../../law/placement/loads_for_tests.h"
#include "placement/scores/score.h"

namespace moesim::placement {
namespace {

const spec::GroupShape kGroup{4, 2};

TEST(Moves, NameWhatEachGpuLacks) {
  const exchange::ExpertMap before{4, 4, 1, {0, 1, 2, 3}}, after{4, 4, 1, {1, 0, 2, 0}};
  const std::vector<ExpertMove> got = moves(7, before, after, kGroup);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].layer, 7);
  EXPECT_EQ(std::tuple(got[0].expert, got[0].from, got[0].to), std::tuple(1, 1, 0));
  EXPECT_EQ(std::tuple(got[1].expert, got[1].from, got[1].to), std::tuple(0, 0, 1));
  EXPECT_EQ(std::tuple(got[2].expert, got[2].from, got[2].to), std::tuple(0, 0, 3));
  // GPU 0 gives expert 0 to its neighbour and to the other node, where GPU 3 takes it in.
  const MovePorts ports = busiest_ports(got, kGroup);
  EXPECT_EQ(ports.most_inside, 1);
  EXPECT_EQ(ports.most_between, 1);
}

// GPUs 0, 1 | 2, 3 on two nodes; expert 0 on GPUs 0, 1 and 3.
TEST(Moves, TakeACopyOfTheirNodeElseOfTheLowestGpu) {
  const exchange::ExpertMap before{4, 4, 1, {0, 0, 1, 0}}, after{4, 4, 1, {0, 0, 0, 0}};
  const std::vector<ExpertMove> inside = moves(0, before, after, kGroup);
  ASSERT_EQ(inside.size(), 1u);
  EXPECT_EQ(std::tuple(inside[0].from, inside[0].to), std::tuple(3, 2));
  const exchange::ExpertMap apart{4, 4, 1, {0, 0, 1, 2}};
  for (const ExpertMove& m : moves(0, apart, after, kGroup)) EXPECT_EQ(m.from, 0) << "to GPU " << m.to;
  // Of two copies in the same node, the first.
  const exchange::ExpertMap twice{4, 6, 1, {1, 2, 3, 0, 0, 1}}, everywhere{4, 6, 1, {1, 2, 3, 0, 0, 0}};
  const std::vector<ExpertMove> third = moves(0, twice, everywhere, {6, 3});
  ASSERT_EQ(third.size(), 1u);
  EXPECT_EQ(std::tuple(third[0].from, third[0].to), std::tuple(3, 5));
}

TEST(Moves, CountNoChangeOfSlot) {
  const exchange::ExpertMap before{4, 2, 2, {0, 1, 2, 3}}, after{4, 2, 2, {1, 0, 3, 2}};
  EXPECT_TRUE(moves(0, before, after, {2, 2}).empty());
}

TEST(Aligned, PutsKnownCompanyBackInItsPlace) {
  const exchange::ExpertMap before{8, 4, 2, {0, 1, 2, 3, 4, 5, 6, 7}};
  const exchange::ExpertMap turned{8, 4, 2, {7, 6, 5, 4, 3, 2, 1, 0}};
  EXPECT_EQ(aligned(before, turned, kGroup), before);
  // Renumbering never makes more moves, and keeps each GPU's company.
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Loads a = skewed_loads(1, 16, 1, seed), b = skewed_loads(1, 16, 1, seed + 50);
    const PlacementProblem problem = checked({.gpus = 4, .nodes = 2, .slots = 24, .groups = 4}, 16);
    const auto eplb = placements().make(Config::from_text("eplb", "test"));
    const exchange::ExpertMap old = plan(*eplb, {a, problem})[0], fresh = plan(*eplb, {b, problem})[0];
    const exchange::ExpertMap kept = aligned(old, fresh, kGroup);
    EXPECT_LE(moves(0, old, kept, kGroup).size(), moves(0, old, fresh, kGroup).size()) << "seed " << seed;
    EXPECT_DOUBLE_EQ(score_layer(b.row(0), kept, problem).slowest, score_layer(b.row(0), fresh, problem).slowest);
  }
}

constexpr int kLayers = 3, kExperts = 16;
PlacementProblem problem() { return checked({.gpus = 4, .nodes = 2, .slots = 24}, kExperts); }
Rebalancer rebalancer(const std::string& trigger, const RebalanceParams& params = {},
                      const char* policy = "eplb_global", std::shared_ptr<const RoutingSample> sample = nullptr) {
  return {params,
          read_trigger(Config::from_text("trigger: " + trigger, "test")),
          placements().of_kind(policy),
          problem(),
          {3, 4, 5},
          plan(*placements().of_kind("contiguous"), {skewed_loads(kLayers, kExperts, 1, 1), problem()}),
          {1000},
          std::move(sample)};
}

TEST(Rebalancer, PlansAtItsIntervalAndMovesAFewLayersAtATime) {
  Rebalancer r = rebalancer("{kind: periodic, interval: 4, first: 2}", {.window = 3, .layers_at_a_time = 2});
  const Loads loads = skewed_loads(kLayers, kExperts, 1, 9);
  std::vector<std::size_t> changed;
  for (int step = 1; step <= 7; ++step) {
    r.observe(loads.counts);
    const double before = r.balancedness();
    const std::vector<LayerChange> changes = r.advance();
    changed.push_back(changes.size());
    for (const LayerChange& c : changes) {
      EXPECT_EQ(c.layer, 3 + int(c.row));
      EXPECT_EQ(c.bytes, Bytes{1000} * std::int64_t(c.moves.size()));
      EXPECT_FALSE(c.moves.empty());
    }
    if (!changes.empty()) {
      EXPECT_GT(r.balancedness(), before);
    }
  }
  // First plan after step 2: two layers, then the third.  The second, after step 6, finds nothing to gain.
  EXPECT_EQ(changed, (std::vector<std::size_t>{0, 2, 1, 0, 0, 0, 0}));
  EXPECT_EQ(r.plans(), 2);
  EXPECT_GT(r.balancedness(), 0.9);
}

TEST(Rebalancer, FollowsTheWindowOnly) {
  Rebalancer r = rebalancer("{kind: threshold, interval: 2, below: 0.99}", {.window = 2});
  const Loads old = skewed_loads(kLayers, kExperts, 1, 5), now = skewed_loads(kLayers, kExperts, 1, 6);
  for (int i = 0; i < 6; ++i) r.observe(old.counts);
  r.observe(now.counts);
  r.observe(now.counts);
  r.advance();
  const std::vector<exchange::ExpertMap> expected =
      plan(*placements().make(Config::from_text("eplb_global", "test")), {now, problem()});
  for (std::size_t row = 0; row < expected.size(); ++row)
    EXPECT_DOUBLE_EQ(score_layer(now.row(row), r.maps()[row], problem()).slowest,
                     score_layer(now.row(row), expected[row], problem()).slowest);
}

// Experts of one byte: as many may move as there are bytes, be it one.
TEST(Rebalancer, MovesNoMoreBytesThanAllowedHoweverFew) {
  for (const std::int64_t most : {1, 3}) {
    Rebalancer r({.most_bytes = {most}}, rebalance_triggers().of_kind("always"), placements().of_kind("eplb_global"),
                 problem(), {3, 4, 5},
                 plan(*placements().of_kind("contiguous"), {skewed_loads(kLayers, kExperts, 1, 1), problem()}), {1});
    r.observe(skewed_loads(kLayers, kExperts, 1, 9).counts);
    std::int64_t moved = 0;
    for (const LayerChange& c : r.advance()) moved += c.bytes.v;
    EXPECT_GT(moved, 0);
    EXPECT_LE(moved, most);
  }
}

TEST(Rebalancer, WaitsBelowNothing) {
  Rebalancer never = rebalancer("never");
  Rebalancer content = rebalancer("{kind: threshold, below: 0.01}");
  for (int i = 0; i < 10; ++i) {
    never.observe(skewed_loads(kLayers, kExperts, 1, 9).counts);
    content.observe(skewed_loads(kLayers, kExperts, 1, 9).counts);
    EXPECT_TRUE(never.advance().empty());
    EXPECT_TRUE(content.advance().empty());
  }
}

TEST(Rebalancer, CountsTheStepsBetweenLooks) {
  Rebalancer r = rebalancer("{kind: periodic, interval: 10}");
  r.observe(skewed_loads(kLayers, kExperts, 1, 9).counts, 9);
  r.advance();
  EXPECT_EQ(r.plans(), 0);
  r.observe(skewed_loads(kLayers, kExperts, 1, 9).counts, 1);
  r.advance();
  EXPECT_EQ(r.plans(), 1);
}

TEST(Rebalancer, GivesItsStrategyTheSample) {
  const Loads loads = skewed_loads(kLayers, kExperts, 1, 9);
  Rebalancer without = rebalancer("always", {}, "affinity");
  without.observe(loads.counts);
  EXPECT_THROW(without.advance(), ConfigError);
  Rebalancer with =
      rebalancer("always", {}, "affinity", std::make_shared<const RoutingSample>(sample_tokens(loads, 200, 4, 1)));
  with.observe(loads.counts);
  with.advance();
  EXPECT_EQ(with.plans(), 1);
}
TEST(Rebalancer, MovesNoMoreBytesThanOnePlanMay) {
  const auto moved = [](Bytes most) {
    Rebalancer r = rebalancer("always", {.layers_at_a_time = 0, .most_bytes = most});
    r.observe(skewed_loads(kLayers, kExperts, 1, 2).counts);
    std::pair<Bytes, double> out{};
    for (const LayerChange& c : r.advance()) out.first += c.bytes;
    out.second = r.balancedness();
    return out;
  };
  const auto [all, best] = moved({0});
  ASSERT_GT(all.v, 0);
  double before = 0;
  for (const std::int64_t share : {1, 2, 3}) {
    const Bytes most{all.v * share / 3};
    const auto [bytes, balance] = moved(most);
    EXPECT_LE(bytes, most);
    EXPECT_GE(balance, before) << "more to move never balances less";
    before = balance;
  }
  EXPECT_DOUBLE_EQ(before, best) << "all of it is no limit";
  EXPECT_EQ(moved({1}).first.v, 0) << "less than one expert";
}

TEST(Rebalancer, GivesStrategiesTheWindowInParts) {
  // Even and odd experts take turns being hot; their mean is even, and only parts of the window tell.
  const auto balance = [](const char* policy) {
    Rebalancer r({.window = 16}, read_trigger(Config::from_text("trigger: always", "test")),
                 placements().of_kind(policy), problem(), {3},
                 plan(*placements().of_kind("contiguous"),
                      {loads_of_matrix("even", 1, kExperts, std::vector<double>(kExperts, 1)), problem()}),
                 {1000});
    std::vector<double> hot[2];
    for (int e = 0; e < kExperts; ++e) {
      hot[0].push_back(e % 2 == 0 ? 900 + e : 100 - e);
      hot[1].push_back(e % 2 == 0 ? 100 - e : 900 + e);
    }
    for (int i = 0; i < 16; ++i) r.observe(hot[i / 4 % 2]);
    (void)r.advance();
    double worst = 1;
    for (const auto& one : hot) worst = std::min(worst, balancedness(r.maps(), problem(), one));
    return worst;
  };
  EXPECT_GT(balance("robust"), balance("eplb_global") + 0.05);
}
}  // namespace
}  // namespace moesim::placement
