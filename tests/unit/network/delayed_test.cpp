// What all do together once the last has joined, before any of them sends.
#include "network/groups/delayed.h"

#include <gtest/gtest.h>

#include <vector>

namespace moesim::network {
namespace {
struct Inner final : Rendezvous {
  Inner(Engine& of, std::vector<Time>& at) : engine(of), joined(at) {}
  void join(int) override { joined.push_back(engine.now()); }
  bool finished() const override { return joined.size() == 3; }
  Engine& engine;
  std::vector<Time>& joined;
};

TEST(Delayed, AllJoinSoLongAfterTheLast) {
  Engine engine;
  std::vector<Time> joined;
  const auto rendezvous = delayed(engine, 3, 5_s, std::make_unique<Inner>(engine, joined));
  for (const int member : {0, 1, 2})
    engine.at(Time{(1 + member * 2) * (1_s).v}, "joins", [&rendezvous, member] { rendezvous->join(member); });
  engine.run();
  EXPECT_EQ(joined, (std::vector<Time>{10_s, 10_s, 10_s})) << "the last joins after 5 s";
  EXPECT_TRUE(rendezvous->finished());
}

TEST(Delayed, NobodyJoinsBeforeTheLastOrTwice) {
  Engine engine;
  std::vector<Time> joined;
  const auto rendezvous = delayed(engine, 3, 5_s, std::make_unique<Inner>(engine, joined));
  rendezvous->join(0);
  rendezvous->join(2);
  engine.run();
  EXPECT_TRUE(joined.empty());
  EXPECT_FALSE(rendezvous->finished());
  EXPECT_THROW(rendezvous->join(0), std::logic_error);
}
}  // namespace
}  // namespace moesim::network
