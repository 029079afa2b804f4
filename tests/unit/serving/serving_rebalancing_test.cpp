// Placements planned anew while requests are served, and what decides when.
#include <gtest/gtest.h>

#include "common/small_trace.h"
#include "spec/catalogue.h"
#include "support/temporary_folder.h"
#include "unit/serving/small_runs.h"

namespace moesim::serving {
namespace {
TEST(Serving, RebalancingFollowsAMovingHotSpotAtACost) {
  std::string yaml = unit(
      "    - {role: decode, parallel: {data: 16}, placement: {strategy: eplb_global, slots: 96}, "
      "bank: {redraw: 200, samples: 4}}\n",
      "  rebalance: {interval: 4 s, window: 200, policy: eplb_global}\n");
  yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30,
               "{kind: rotating_hot_spot, count: 4, factor: 6, every: 200, stride: 7}");  // moves once a window
  const std::string pool = "pool:decode";
  const Ran waits = run(yaml);
  EXPECT_GT(waits.at("rebalances", pool), 3);
  EXPECT_GT(waits.at("rebalance_bytes", pool), 0);
  EXPECT_GT(waits.at("rebalance_time", pool), 0);
  EXPECT_GT(waits.at("rebalance_balancedness_after", pool), waits.at("rebalance_balancedness_before", pool));
  // The loads are a window old: what the plan was made for is better served than what is routed by then.
  EXPECT_GT(waits.at("rebalance_balancedness_hoped", pool), waits.at("rebalance_balancedness_after", pool));
  EXPECT_GT(waits.at("rebalance_load_age", pool), 0.3);
  yaml.replace(yaml.find("policy: eplb_global"), 19, "policy: eplb_global, layerwise: true");
  const Ran beside = run(yaml);
  EXPECT_GT(beside.at("rebalances", pool), 1);
  EXPECT_EQ(beside.at("rebalance_time", pool), 0);
  EXPECT_GT(beside.at("rebalance_bytes", pool), 0);
}

/// A hot spot that moves at every window, with the placement planned anew as `rebalance` says.
Ran moving_hot_spot(const std::string& rebalance) {
  std::string yaml = unit(
      "    - {role: decode, parallel: {data: 16}, placement: {strategy: eplb_global, slots: 96}, "
      "bank: {redraw: 200, samples: 4}}\n",
      "  rebalance: {interval: 4 s, window: 200, policy: eplb_global" + rebalance + "}\n");
  yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30,
               "{kind: rotating_hot_spot, count: 4, factor: 6, every: 200, stride: 7}");
  return run(yaml);
}

TEST(Serving, PlanningAndChangingLayersTakeTheTimeThatIsGiven) {
  const char* pool = "pool:decode";
  constexpr double kLayers = 26;  // of V2-Lite, all of which change
  const Ran free = moving_hot_spot(""), slow = moving_hot_spot(", planning: 100 ms, layer: 2 ms");
  const double each = slow.at("rebalance_time", pool) / slow.at("rebalances", pool) -
                      free.at("rebalance_time", pool) / free.at("rebalances", pool);
  EXPECT_GT(each, 0.1);
  EXPECT_LE(each, 0.1 + kLayers * 2e-3 + 0.02) << "some more or fewer weights move";
  // Beside the work planning holds up nothing, but the plan comes later; layers still do.
  const Ran beside = moving_hot_spot(", layerwise: true"),
            planned = moving_hot_spot(", layerwise: true, planning: 2 s"),
            held = moving_hot_spot(", layerwise: true, layer: 2 ms");
  EXPECT_EQ(beside.at("rebalance_time", pool), 0);
  EXPECT_EQ(planned.at("rebalance_time", pool), 0);
  EXPECT_LT(planned.at("rebalance_experts", pool), beside.at("rebalance_experts", pool));
  EXPECT_NEAR(std::fmod(held.at("rebalance_time", pool) + 1e-9, 2e-3), 0, 1e-6);
  EXPECT_GT(held.at("rebalance_time", pool), 0);
  EXPECT_GT(held["itl_p99"], beside["itl_p99"]);
  const std::string refused = message(unit(kDecode, "  rebalance: {interval: 4 s, planning: -1 s}\n", kBusy));
  EXPECT_NE(refused.find("serving.rebalance.planning: expected a time of 0 or more"), std::string::npos) << refused;
  const std::string idle = message(unit(kDecode, "  rebalance: {layer: 2 ms}\n", kBusy));
  EXPECT_NE(idle.find("serving.rebalance.layer: has no effect: rebalance.interval is not given"), std::string::npos)
      << idle;
}

TEST(Serving, ATriggerDecidesWhetherAnIntervalEndsWithAPlan) {
  const std::string pool = "pool:decode";
  const Ran unnamed = moving_hot_spot(""), always = moving_hot_spot(", trigger: always"),
            never = moving_hot_spot(", trigger: never"),
            shy = moving_hot_spot(", trigger: {kind: threshold, below: 0.01}"),
            rare = moving_hot_spot(", trigger: {kind: periodic, interval: 1000}"),
            uneven = moving_hot_spot(", trigger: {kind: threshold, below: 0.9}");
  EXPECT_EQ(unnamed.end.fingerprint, always.end.fingerprint);
  EXPECT_EQ(never.at("rebalances", pool), 0);
  EXPECT_EQ(shy.end.fingerprint, never.end.fingerprint);
  EXPECT_GT(rare.at("rebalances", pool), 0);
  EXPECT_LT(rare.at("rebalances", pool), always.at("rebalances", pool));
  EXPECT_GT(uneven.at("rebalances", pool), 0);
  EXPECT_GT(uneven.at("balancedness", pool), never.at("balancedness", pool));
  EXPECT_EQ(moving_hot_spot(", below: 0.9").end.fingerprint, uneven.end.fingerprint);
}

TEST(Serving, OnSteadyLoadsAThresholdNeverPlans) {
  const auto with = [](const std::string& rebalance) {
    return run(
        unit("    - {role: decode, parallel: {data: 16}, placement: {strategy: eplb_global, slots: 96}}\n", rebalance));
  };
  const Ran still = with(""),
            watched = with("  rebalance: {interval: 2 s, window: 100, trigger: {kind: threshold, below: 0.8}}\n");
  EXPECT_EQ(watched.at("rebalances", "pool:decode"), 0);
  EXPECT_EQ(watched["tpot_mean"], still["tpot_mean"]);
}

TEST(Serving, ATriggerIsRefusedWhereItIsWritten) {
  const auto said = [](const std::string& rebalance) {
    return message(unit(kDecode, "  rebalance: {interval: 1 s, " + rebalance + "}\n"));
  };
  EXPECT_NE(said("trigger: sometimes").find("test.yaml:7:39: serving.rebalance.trigger: no rebalance is called"),
            std::string::npos)
      << said("trigger: sometimes");
  EXPECT_NE(said("trigger: {kind: threshold, below: 2}")
                .find("serving.rebalance.trigger.below: must lie between 0 and 1, got 2"),
            std::string::npos);
  EXPECT_NE(said("below: 0.5, trigger: always").find("serving.rebalance.below: is a threshold trigger for short"),
            std::string::npos);
  EXPECT_NE(said("policy: affinity").find(std::string("serving.rebalance.policy: affinity: ") + kAskForTrace),
            std::string::npos)
      << said("policy: affinity");
}

TEST(Serving, StrategiesOfTokensPlanOnTheScenariosTrace) {
  const TemporaryFolder folder;
  const std::string trace = write_small_trace(folder.file("trace.db"), spec::load_model("deepseek-v2-lite"));
  const auto with = [&](const std::string& routing, const std::string& strategy) {
    std::string yaml = unit("    - {role: decode, parallel: {data: 16}, placement: {strategy: \"" + strategy + "\"}}\n",
                            "  rebalance: {interval: 8 s, window: 100, policy: \"" + strategy + "\"}\n");
    yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30, routing);
    return yaml;
  };
  for (const char* strategy : {"affinity", "coactivation", "traffic"}) {
    EXPECT_EQ(message(with("{trace: " + trace + "}", strategy)), "accepted") << strategy;
    EXPECT_NE(message(with("balanced", strategy)).find(kAskForTrace), std::string::npos) << strategy;
  }
}
}  // namespace
}  // namespace moesim::serving
