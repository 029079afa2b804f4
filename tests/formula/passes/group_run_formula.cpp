// Two GPUs, one MoE layer of two experts, one byte a row, one byte a second, one second a row and product: every time
// below can be worked out in the head.
#include "passes/group_run.h"

#include <gtest/gtest.h>

#include "unit_group.h"

namespace moesim::passes {
namespace {

struct Outcome {
  Time end{};
  std::vector<GpuTime> gpus;
  double balancedness = 0;
  std::vector<std::int64_t> expert_tokens;
};

Outcome run_steps(const std::string& network_kind, std::vector<double> speed, int steps = 1) {
  const spec::Model model = one_layer();
  const spec::Cluster cluster = unit_cluster();
  Engine engine;
  const Config config = Config::from_text("network: {kind: " + network_kind + ", calibration: none}", "unit.yaml");
  const auto network = network::networks().make(config.at("network"), engine, cluster);
  const network::ExchangeGroup group(network->topology(), GpuId{0}, 2);
  const SecondARow kernels(cluster.node.gpu);
  compute::KernelCosts costs(kernels);
  results::SpanLog spans;
  const std::vector<exchange::ExpertMap> placement{exchange::contiguous_map(2, 2)};
  const FixedTraffic traffic;
  GroupRun::Phase phase = unit_phase("decode", steps, traffic);
  compute::add_decode(phase.batch, model, 1, 1, 4);
  GroupRun run({model, group, costs, *network, spans, placement, std::move(speed)}, phase);
  EXPECT_TRUE(run.run());
  return {engine.now(), run.gpus(), run.steps().front().balancedness, run.expert_tokens()};
}

class GroupRunFormula : public testing::TestWithParam<std::string> {};

// Dispatch: GPU 1 receives three rows, at 3 s; its seven rows take 14 s; the three results go back in 3 s.
TEST_P(GroupRunFormula, AStepEndsWhenTheHottestGpusResultsAreBack) {
  const Outcome o = run_steps(GetParam(), {1, 1});
  EXPECT_EQ(o.end, 20_s);
  EXPECT_EQ(o.gpus[0].busy, 2_s);
  EXPECT_EQ(o.gpus[0].straggling, 15_s);  // from 2 s until GPU 1 has its results at 17 s
  EXPECT_EQ(o.gpus[0].exposed, 3_s);
  EXPECT_EQ(o.gpus[1].busy, 14_s);
  EXPECT_EQ(o.gpus[1].exposed, 3_s);
  EXPECT_EQ(o.gpus[0].expert_rows, 1);
  EXPECT_EQ(o.gpus[1].expert_rows, 7);
  EXPECT_DOUBLE_EQ(o.balancedness, 4.0 / 7);
  EXPECT_EQ(o.expert_tokens, (std::vector<std::int64_t>{1, 7}));
}

TEST_P(GroupRunFormula, ASlowGpuDelaysTheOthersThroughTheExchange) {
  EXPECT_EQ(run_steps(GetParam(), {1, 0.5}).end, 34_s);  // 3 + 28 + 3
  EXPECT_EQ(run_steps(GetParam(), {0.5, 1}).end, 20_s);  // GPU 0 waits anyway
}

TEST_P(GroupRunFormula, StepsFollowEachOther) { EXPECT_EQ(run_steps(GetParam(), {1, 1}, 3).end, 60_s); }

INSTANTIATE_TEST_SUITE_P(Networks, GroupRunFormula, testing::Values("bottleneck", "fluid"),
                         [](const auto& name) { return name.param; });
}  // namespace
}  // namespace moesim::passes
