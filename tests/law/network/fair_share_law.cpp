#include <gtest/gtest.h>

#include <map>
#include <random>

#include "common/naive_max_min.h"
#include "network/sharing/fluid_links.h"
#include "support/rounds.h"

namespace moesim::network {
namespace {
struct RandomNetwork {
  std::vector<double> capacity;
  std::vector<naive::Path> paths;
};

/// Few distinct capacities and short paths, so that ties and shared bottlenecks are common.
RandomNetwork random_network(unsigned seed) {
  std::mt19937_64 random(seed);
  RandomNetwork out;
  const std::size_t links = 1 + random() % 12, flows = 1 + random() % 30;
  for (std::size_t l = 0; l < links; ++l)
    out.capacity.push_back(double(random() % 2 ? 1 + random() % 4 : 1 + random() % 1000));
  for (std::size_t f = 0; f < flows; ++f) {
    naive::Path path;
    for (std::size_t l = 0; l < links; ++l)
      if (random() % 3 == 0) path.push_back(int(l));
    if (path.empty()) path.push_back(int(random() % links));
    out.paths.push_back(path);
  }
  return out;
}

std::vector<LinkId> ids(const naive::Path& path) {
  std::vector<LinkId> out;
  for (const int l : path) out.push_back(LinkId(l));
  return out;
}

IdVector<LinkId, Bandwidth> bandwidths(const std::vector<double>& capacity) {
  IdVector<LinkId, Bandwidth> out;
  for (const double c : capacity) out.push_back({c});
  return out;
}

TEST(FairShareLaw, EqualsTheNaiveReferenceOnRandomNetworks) {
  for (unsigned seed = 0; seed < unsigned(test::rounds(1000)); ++seed) {
    SCOPED_TRACE(seed);
    const RandomNetwork net = random_network(seed);
    FairShare share(bandwidths(net.capacity));
    for (const naive::Path& path : net.paths) share.add(ids(path));
    share.solve();
    const std::vector<double> want = naive::max_min(net.paths, net.capacity);
    for (std::uint32_t f = 0; f < net.paths.size(); ++f)
      ASSERT_NEAR(share.rate(f).v / want[f], 1, 1e-9) << "flow " << f;
  }
}

TEST(FairShareLaw, NoLinkIsOverCapacityAndEveryFlowIsHeldBackSomewhereByNoFasterFlow) {
  for (unsigned seed = 0; seed < unsigned(test::rounds(500)); ++seed) {
    SCOPED_TRACE(seed);
    const RandomNetwork net = random_network(seed);
    FairShare share(bandwidths(net.capacity));
    for (const naive::Path& path : net.paths) share.add(ids(path));
    share.solve();
    std::vector<double> used(net.capacity.size()), fastest(net.capacity.size());
    for (std::uint32_t f = 0; f < net.paths.size(); ++f)
      for (const int l : net.paths[f]) {
        used[std::size_t(l)] += share.rate(f).v;
        fastest[std::size_t(l)] = std::max(fastest[std::size_t(l)], share.rate(f).v);
      }
    for (std::size_t l = 0; l < used.size(); ++l) ASSERT_LE(used[l], net.capacity[l] * (1 + 1e-12));
    for (std::uint32_t f = 0; f < net.paths.size(); ++f) {
      bool held = false;
      for (const int l : net.paths[f])
        held = held || (used[std::size_t(l)] > net.capacity[std::size_t(l)] * (1 - 1e-9) &&
                        fastest[std::size_t(l)] <= share.rate(f).v * (1 + 1e-9));
      ASSERT_TRUE(held) << "flow " << f;
    }
  }
}

/// Adds and removes at random, in batches, and compares with a network that starts from nothing: bit by bit.
TEST(FairShareLaw, IncrementalEqualsFromScratchExactlyInAnyOrder) {
  for (unsigned seed = 0; seed < unsigned(test::rounds(300)); ++seed) {
    SCOPED_TRACE(seed);
    const RandomNetwork net = random_network(seed);
    std::mt19937_64 random(seed);
    FairShare share(bandwidths(net.capacity));
    std::map<std::uint32_t, std::size_t> active;  // slot -> path
    for (int step = 0; step < 40; ++step) {
      for (std::size_t k = random() % 3; k > 0; --k) {
        const std::size_t path = random() % net.paths.size();
        active[share.add(ids(net.paths[path]))] = path;
      }
      for (std::size_t k = random() % 3; k > 0 && !active.empty(); --k) {
        const auto victim = std::next(active.begin(), std::ptrdiff_t(random() % active.size()));
        share.remove(victim->first);
        active.erase(victim);
      }
      share.solve();
      FairShare fresh(bandwidths(net.capacity));
      std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;  // slot, slot in fresh
      for (auto it = active.rbegin(); it != active.rend(); ++it)
        pairs.emplace_back(it->first, fresh.add(ids(net.paths[it->second])));
      fresh.solve();
      for (const auto& [slot, twin] : pairs)
        ASSERT_EQ(share.exact_rate(slot), fresh.exact_rate(twin)) << "step " << step;
    }
  }
}

/// The same where most links have capacity to spare at times: pairs of 6 senders and 6 receivers, whose capacities
/// change.
TEST(FairShareLaw, IncrementalEqualsFromScratchExactlyBetweenPairsOfChangingCapacity) {
  for (unsigned seed = 0; seed < unsigned(test::rounds(100)); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<double> capacity;
    for (int l = 0; l < 12; ++l) capacity.push_back(double(1 + random() % 6));
    capacity.push_back(6);  // rates count in units of the largest capacity
    FairShare share(bandwidths(capacity));
    std::map<std::uint32_t, naive::Path> active;
    for (int step = 0; step < 60; ++step) {
      for (std::size_t k = random() % 6; k > 0; --k) {
        const naive::Path path = {int(random() % 6), int(6 + random() % 6)};
        active[share.add(ids(path))] = path;
      }
      for (std::size_t k = random() % 6; k > 0 && !active.empty(); --k) {
        const auto victim = std::next(active.begin(), std::ptrdiff_t(random() % active.size()));
        share.remove(victim->first);
        active.erase(victim);
      }
      if (random() % 4 == 0) {
        const std::size_t link = random() % 12;
        capacity[link] = double(1 + random() % 6);
        share.set_capacity(LinkId(link), {capacity[link]});
      }
      share.solve();
      FairShare fresh(bandwidths(capacity));
      std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
      for (auto it = active.rbegin(); it != active.rend(); ++it)
        pairs.emplace_back(it->first, fresh.add(ids(it->second)));
      fresh.solve();
      for (const auto& [slot, twin] : pairs)
        ASSERT_EQ(share.exact_rate(slot), fresh.exact_rate(twin)) << "step " << step;
    }
  }
}

/// One sender of 10 B/s and two receivers of 1 B/s with two flows each: an end at one receiver is no matter of the
/// other.
TEST(FairShareLaw, AChangeStopsAtALinkWithCapacityToSpare) {
  FairShare share(bandwidths({10, 1, 1}));
  const std::uint32_t ends = share.add(ids({0, 1})), stays = share.add(ids({0, 1}));
  share.add(ids({0, 2}));
  share.add(ids({0, 2}));
  share.solve();
  const std::uint64_t visits = share.visits();
  share.remove(ends);
  share.solve();
  EXPECT_EQ(share.visits(), visits + 1);
  ASSERT_EQ(share.changed_flows().size(), 1u);
  EXPECT_EQ(share.changed_flows()[0], stays);
  EXPECT_DOUBLE_EQ(share.rate(stays).v, 1);
}

/// The sender of 2 B/s has capacity to spare until one of its receivers grows from 1 to 4 B/s: then its flows share it.
TEST(FairShareLaw, ALinkThatRunsOutOfCapacityIsSharedAfterAll) {
  FairShare share(bandwidths({2, 1, 0.5}));
  const std::uint32_t fast = share.add(ids({0, 1})), slow = share.add(ids({0, 2}));
  share.solve();
  EXPECT_DOUBLE_EQ(share.rate(fast).v, 1);
  share.set_capacity(LinkId{1}, {4});
  share.solve();
  EXPECT_DOUBLE_EQ(share.rate(fast).v, 1.5);
  EXPECT_DOUBLE_EQ(share.rate(slow).v, 0.5);
  share.set_capacity(LinkId{2}, {4});
  share.solve();
  EXPECT_DOUBLE_EQ(share.rate(fast).v, 1);
  EXPECT_DOUBLE_EQ(share.rate(slow).v, 1);
}

class Stopwatch final : public Receiver {
 public:
  Stopwatch(Engine& engine, std::size_t flows) : end(flows, Time{-1}), engine_(engine) {}
  void arrived(std::uint32_t tag) override { end.at(tag) = engine_.now(); }
  std::vector<Time> end;

 private:
  Engine& engine_;
};

struct TimedFlow {
  naive::Path path;
  std::int64_t bytes;
  Time start;
};
std::vector<TimedFlow> random_flows(const RandomNetwork& net, unsigned seed) {
  std::mt19937_64 random(seed + 1'000'000);
  std::vector<TimedFlow> out;
  for (const naive::Path& path : net.paths)
    out.push_back({path, std::int64_t(1 + random() % 1000), Time{std::int64_t(random() % 4) * 100'000'000}});
  return out;
}

std::vector<Time> run_fluid(const std::vector<double>& capacity, const std::vector<TimedFlow>& flows,
                            double tolerance) {
  Engine engine;
  IdVector<LinkId, Link> links;
  for (const double c : capacity) links.push_back({LinkKind::nic, 0, 0, {c}, {}, 1});
  FluidLinks fluid(engine, links, tolerance, {});
  Stopwatch watch(engine, flows.size());
  for (std::uint32_t i = 0; i < flows.size(); ++i)
    engine.at(flows[i].start, "start", [&fluid, &flows, &watch, i] {
      fluid.start(ids(flows[i].path), {flows[i].bytes}, double(flows[i].bytes), {}, watch, i);
    });
  engine.run();
  EXPECT_EQ(fluid.active(), 0u);
  return watch.end;
}

TEST(FluidLaw, TransferTimesEqualTheNaiveReferenceOnRandomNetworks) {
  for (unsigned seed = 0; seed < unsigned(test::rounds(1000)); ++seed) {
    SCOPED_TRACE(seed);
    const RandomNetwork net = random_network(seed);
    const std::vector<TimedFlow> flows = random_flows(net, seed);
    std::vector<naive::Flow> reference;
    for (const TimedFlow& f : flows) reference.push_back({f.path, double(f.bytes), seconds(f.start)});
    const std::vector<double> want = naive::finish_times(reference, net.capacity);
    const std::vector<Time> got = run_fluid(net.capacity, flows, 0);
    // Each of at most 60 changes rounds up by under a picosecond.
    for (std::size_t i = 0; i < flows.size(); ++i)
      ASSERT_NEAR(seconds(got[i]), want[i], 60e-12 + want[i] * 1e-9) << "flow " << i;
  }
}

TEST(FluidLaw, TheOrderOfInsertionDoesNotMatter) {
  for (unsigned seed = 0; seed < unsigned(test::rounds(200)); ++seed) {
    SCOPED_TRACE(seed);
    const RandomNetwork net = random_network(seed);
    std::vector<TimedFlow> flows = random_flows(net, seed);
    const std::vector<Time> forwards = run_fluid(net.capacity, flows, 0);
    std::ranges::reverse(flows);
    std::vector<Time> backwards = run_fluid(net.capacity, flows, 0);
    std::ranges::reverse(backwards);
    ASSERT_EQ(forwards, backwards);
  }
}

TEST(FluidLaw, CoalescingStaysWithinItsTolerance) {
  double worst = 0;
  for (unsigned seed = 0; seed < unsigned(test::rounds(500)); ++seed) {
    SCOPED_TRACE(seed);
    const RandomNetwork net = random_network(seed);
    std::vector<TimedFlow> flows = random_flows(net, seed);
    for (TimedFlow& f : flows) f.start = {};
    const std::vector<Time> exact = run_fluid(net.capacity, flows, 0), coarse = run_fluid(net.capacity, flows, 0.01);
    for (std::size_t i = 0; i < flows.size(); ++i)
      worst = std::max(worst, std::abs(seconds(coarse[i]) / seconds(exact[i]) - 1));
  }
  EXPECT_LE(worst, 0.01);
  EXPECT_GT(worst, 0) << "nothing was coalesced";
  RecordProperty("worst_error", std::to_string(worst));
}
}  // namespace
}  // namespace moesim::network
