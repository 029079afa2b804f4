// Integers that may only change when the order of events or a stream of chance is meant to: then every stored
// fingerprint changes too, and the release note has to say so.  The failing test prints the new values.
#include <gtest/gtest.h>

#include "core/engine.h"
#include "core/random.h"

namespace moesim::core {
namespace {
/// Events at few instants in all phases, each of which schedules or cancels others, by chance.
class Crowd {
 public:
  Crowd() {
    for (int i = 0; i < 200; ++i) add();
    engine.run(Time{2000});
  }
  Engine engine;

 private:
  void add() {
    const auto phase = Phase(chance_.below(3));
    ids_.push_back(engine.after(
        Time{std::int64_t(chance_.below(50))}, "event", [this] { act(); }, phase));
  }
  void act() {
    if (chance_.below(4) == 0) engine.cancel(ids_[chance_.below(ids_.size())]);
    if (ids_.size() < 5000) add();
  }
  Random chance_{7, "crowd"};
  std::vector<Engine::EventId> ids_;
};

TEST(Golden, EngineRunsACrowdOfEventsInTheSameOrder) {
  const Crowd crowd;
  EXPECT_EQ(crowd.engine.executed(), 4887u);
  EXPECT_EQ(crowd.engine.fingerprint(), 11612500970586356557u);
}

TEST(Golden, StreamsOfChanceGiveTheSameIntegers) {
  Random chance(1, "golden");
  std::vector<std::uint64_t> draws;
  for (int i = 0; i < 6; ++i) draws.push_back(chance.below(1000));
  EXPECT_EQ(draws, (std::vector<std::uint64_t>{799, 700, 107, 912, 608, 604}));
  std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7};
  chance.shuffle<int>(items);
  EXPECT_EQ(items, (std::vector<int>{5, 2, 0, 6, 7, 4, 3, 1}));
}
}  // namespace
}  // namespace moesim::core
