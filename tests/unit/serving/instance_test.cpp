// The parts of an instance by themselves: queue, cache, clock of the stages, what they tell others.
#include <gtest/gtest.h>

#include "serving/instance/instance_context.h"
#include "serving/instance/rank_cache.h"
#include "serving/instance/rank_queue.h"
#include "serving/instance/stage_clock.h"

namespace moesim::serving {
namespace {
TEST(RankQueue, CountsWhoWaitsAndWhoHasAPlace) {
  RankQueue queue;
  queue.push(7, 100, 60);
  queue.push(8, 50, 40);
  EXPECT_EQ(queue.requests(), 2);
  EXPECT_EQ(queue.placed(), 0);
  EXPECT_EQ(queue.promised(), 150);
  queue.place_front(100);
  EXPECT_EQ(queue.front(), 8u);
  EXPECT_EQ(queue.placed(), 1);
  EXPECT_EQ(queue.promised(), 50);
  queue.computed(60);
  EXPECT_EQ(queue.prompt_tokens(), 40);
}

TEST(RankQueue, ADisplacedRequestGoesBeforeAllOthers) {
  RankQueue queue;
  queue.push(7, 100, 60);
  queue.place_front(100);
  queue.push(8, 50, 40);
  queue.displace(7, 100, 70);
  EXPECT_EQ(queue.front(), 7u);
  EXPECT_EQ(queue.placed(), 0);
  EXPECT_EQ(queue.promised(), 150);
  EXPECT_EQ(queue.abandon(), (std::deque<std::uint32_t>{7, 8}));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.promised() + queue.prompt_tokens(), 0);
}

Live prompt(int tokens, std::vector<std::uint64_t> hashes = {}) {
  Live out;
  out.target = out.request.input = tokens;
  out.request.hashes = std::move(hashes);
  return out;
}

TEST(RankCache, LeavesItsWatermarkFreeUnlessTheRequestIsAlone) {
  RankCache cache({.capacity = 256, .block = 64}, 0.25);
  Live whole = prompt(256), most = prompt(192);
  EXPECT_FALSE(cache.admit(whole, false));
  EXPECT_EQ(cache.kv().in_use(), 0);
  ASSERT_TRUE(cache.admit(most, false));  // 64 stay free
  EXPECT_EQ(most.hold.taken, 192);
  cache.let_go(most.hold, most);
  EXPECT_TRUE(cache.admit(whole, true));
}

TEST(RankCache, APublishedPrefixIsSharedButOneTokenIsLeftToCompute) {
  RankCache cache({.capacity = 512, .block = 64, .hash_block = 64}, 0);
  Live first = prompt(128, {1, 2}), second = prompt(128, {1, 2});
  ASSERT_TRUE(cache.admit(first, true));
  first.computed = 128;
  cache.publish(first);
  EXPECT_EQ(first.hold.pinned, 2);
  EXPECT_EQ(first.hold.taken, 0);
  const auto match = cache.admit(second, false);
  ASSERT_TRUE(match);
  EXPECT_EQ(cache.tokens(*match), 64);  // not 128: the next token must come out of something
  EXPECT_EQ(second.hold.taken, 64);
  EXPECT_EQ(cache.kv().in_use(), 128 + 64);
  cache.let_go(first.hold, first);
  cache.let_go(second.hold, second);
  EXPECT_EQ(cache.kv().in_use(), 0);
  EXPECT_EQ(cache.kv().cached(), 128);
}

TEST(RankCache, AFailedAdmissionHoldsNothing) {
  RankCache cache({.capacity = 128, .block = 64, .hash_block = 64}, 0);
  Live first = prompt(64, {1}), second = prompt(192, {1, 2, 3});
  ASSERT_TRUE(cache.admit(first, true));
  first.computed = 64;
  cache.publish(first);
  cache.let_go(first.hold, first);
  EXPECT_FALSE(cache.admit(second, true));  // its cached block was pinned, and is let go again
  EXPECT_EQ(cache.kv().in_use(), 0);
}

TEST(StageClock, AStepWaitsForTheOneBeforeItInEveryStage) {
  StageClock clock(2);
  const std::vector<Time> slow_end{1_s, 3_s}, slow_start{2_s, 1_s};
  EXPECT_EQ(clock.pass({}, slow_end), 4_s);
  EXPECT_EQ(clock.first_free(), 1_s);
  EXPECT_EQ(clock.pass(1_s, slow_start), 5_s);  // out of the first at 3 s, into the second at 4 s
  EXPECT_EQ(clock.first_free(), 3_s);
}

TEST(StageClock, StandsStillUntilTheLatestMomentAsked) {
  StageClock clock(1);
  EXPECT_TRUE(clock.hold_until(5_s));
  EXPECT_FALSE(clock.hold_until(4_s));
  EXPECT_TRUE(clock.held(5_s - Time{1}));
  EXPECT_FALSE(clock.held(5_s));
}

TEST(ChangedRanks, NamesEachOnceInTheOrderOfItsFirstChange) {
  ChangedRanks changed(3);
  std::vector<int> ranks;
  for (const int r : {2, 0, 2}) changed.touch(r);
  changed.take(ranks);
  EXPECT_EQ(ranks, (std::vector<int>{2, 0}));
  changed.take(ranks);
  EXPECT_TRUE(ranks.empty());
}

struct Gaps final : InstanceOwner {
  std::vector<std::pair<Time, std::int64_t>> told;
  void finished(std::uint32_t) override {}
  void prefilled(std::uint32_t) override {}
  void fetch(std::uint32_t) override {}
  void homeless(std::uint32_t) override {}
  void stepped(const StepEnd&) override {}
  void token_gap(Time gap, std::int64_t tokens) override { told.emplace_back(gap, tokens); }
};

TEST(TokenGaps, EqualGapsAreToldTogether) {
  Gaps owner;
  TokenGaps gaps;
  gaps.add(owner, 1_s, 3);
  gaps.add(owner, 1_s, 4);
  EXPECT_TRUE(owner.told.empty());
  gaps.add(owner, 2_s, 5);
  gaps.tell(owner);
  EXPECT_EQ(owner.told, (std::vector<std::pair<Time, std::int64_t>>{{1_s, 7}, {2_s, 5}}));
}
}  // namespace
}  // namespace moesim::serving
