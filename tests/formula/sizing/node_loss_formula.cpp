// What is lost with a node, worked out in the head.
#include <gtest/gtest.h>

#include "sizing/node_loss.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {
namespace {
class LostNode : public testing::Test {
 protected:
  LostNode() {
    put_file(folder_.file("plan.yaml"),
             "model: deepseek-v2-lite\nsize:\n  workload: {kind: poisson, rate: 5, input: {kind: fixed, mean: 100}, "
             "output: {kind: fixed, mean: 10}}\n  targets: {ttft_p90: 1 s}\n  candidates: {nodes: [hgx-h100]}\n");
    plan_ = read_plan(folder_.file("plan.yaml"), {}, {});
  }
  /// tensor or data: GPUs of an instance of each pool.
  std::vector<NodeLoss> lost(std::vector<PoolDesign> pools, const std::vector<int>& instances) const {
    Entry e;
    for (PoolDesign& p : pools) p.slots = 64, p.batch = 16, p.tokens = 2048;
    e.deployment = {&plan_.nodes[0], "sglang", std::move(pools), instances};
    e.trial = {.duration = 20_s, .warmup = 5_s};
    return node_losses(plan_, e);
  }
  static PoolDesign both(int tensor, int data) { return {.role = serving::Role::both, .tensor = tensor, .data = data}; }
  TemporaryFolder folder_;
  Plan plan_;
};

TEST_F(LostNode, TakesAllWhereItIsTheOnlyOne) {
  const auto all = lost({both(4, 1)}, {2});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].what, "a node lost, no spare");
  EXPECT_FALSE(all[0].served);
  EXPECT_EQ(all[0].outage, "it is the only node: nothing is served until it is back, each hour is 0.14 % of a month");
  EXPECT_TRUE(all[1].served);
  EXPECT_EQ(all[1].what.substr(0, 19), "a node lost, after ");
  EXPECT_TRUE(all[1].outage.ends_with(" % of a month")) << all[1].outage;
  EXPECT_TRUE(all[1].trial.unfolded);
  EXPECT_EQ(all[1].trial.duration, 30_s + all[1].trial.start_up);  // 10 s until it is noticed
}

TEST_F(LostNode, TakesItsInstancesOfSeveralNodes) {
  const auto all = lost({both(4, 1)}, {3});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].served);
  EXPECT_EQ(all[0].trial.start_up, 200_s) << "longer than anybody looks";
  EXPECT_EQ(all[0].outage, "");
}

TEST_F(LostNode, TakesAllOfAPoolThatIsOnIt) {
  PoolDesign prefill = both(1, 8), decode = both(1, 8);
  prefill.role = serving::Role::prefill, decode.role = serving::Role::decode;
  const auto all = lost({prefill, decode}, {2, 1});
  EXPECT_FALSE(all[0].served);
  EXPECT_TRUE(all[0].outage.starts_with("all of decode is on it: ")) << all[0].outage;
  EXPECT_TRUE(lost({prefill, decode}, {2, 2})[0].served);
}

TEST_F(LostNode, LeavesTheRestOfAnInstanceOfSeveral) {
  const auto all = lost({both(1, 16)}, {1});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].what, "a node lost, no spare: its instance goes on without");
  EXPECT_EQ(all[0].trial.faults, "[{kind: node, at: 5 s, pool: both, instance: 0}]") << "for good";
  EXPECT_EQ(all[0].trial.start_up, Time{}) << "nothing starts anew";
  EXPECT_EQ(all[1].what.substr(0, 19), "a node lost, after ");
  const Time away = all[1].trial.duration - 20_s;
  EXPECT_GT(away, 70_s) << "10 s until it is noticed, a minute and the weights";
  EXPECT_EQ(all[1].trial.faults, "[{kind: node, at: 5 s, pool: both, instance: 0, repair: " + to_text(away) + "}]");
  EXPECT_EQ(all[1].trial.start_up, Time{});
  EXPECT_EQ(lost({both(2, 8)}, {1})[0].what, "a node lost, no spare") << "a broken tensor group";
}

TEST(StartUp, IsAMinuteAndTheWeightsFromDisk) { EXPECT_EQ(start_up_of(60e9), 70_s); }
}  // namespace
}  // namespace moesim::sizing
