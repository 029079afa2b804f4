// Two GPUs, one MoE layer of two experts, one byte a row, one byte a second, one second a row and product: every time
// below can be worked out in the head.
#include <gtest/gtest.h>

#include <limits>

#include "passes/group_run.h"

namespace moesim::passes {
namespace {

/// Only the experts' products take time: one second a row each (gate-up and down).
class SecondARow final : public compute::KernelModel {
 public:
  explicit SecondARow(spec::Gpu gpu) : compute::KernelModel(std::move(gpu)) {}
  std::string source() const override { return "one second a row"; }

 private:
  Estimate estimate(const compute::Kernel& kernel, compute::GpuShare) const override {
    double rows = 0;
    if (const auto* experts = std::get_if<compute::GroupedGemm>(&kernel))
      for (std::int64_t r : experts->rows) rows += double(r);
    return {rows, {}};
  }
};

/// GPU 0 sends one token to expert 0 (its own) and three to expert 1; GPU 1 keeps its four on expert 1.
class FixedTraffic final : public routing::TrafficSource {
 public:
  void shares(int, std::int64_t, std::span<double> out) const override {
    out[0] = 1.0 / 8;
    out[1] = 7.0 / 8;
  }
  void draw_load(int, std::int64_t, std::int64_t, std::span<double> out) const override {
    out[0] = 1;
    out[1] = 7;
  }
  void draw(int, std::int64_t, std::span<const std::int32_t> tokens, routing::Traffic& out) const override {
    out.gate = {2, 1, 1, 1};
    out.sources = 2;
    out.tokens.assign(tokens.begin(), tokens.end());
    out.choices = {0, 1, 1, 1, 1, 1, 1, 1};
    routing::count_rows(out.gate, out);
  }
};

spec::Model one_layer() {
  spec::Model m;
  m.name = "unit";
  m.vocabulary = 2;
  m.hidden = 128;
  m.layers = 1;
  m.attention.heads = m.attention.kv_heads = 1;
  m.attention.head_dim = m.attention.v_head_dim = 64;
  m.moe.emplace();
  m.moe->expert_width = 128;
  m.moe->experts = 2;
  m.moe->top_k = 1;
  m.max_positions = 16;
  return m;
}

constexpr double kInfinite = std::numeric_limits<double>::infinity();

spec::Cluster unit_cluster() {
  spec::Cluster c;
  c.node.gpus = 2;
  c.node.nics = 2;
  c.node.gpu.sms = 1;
  c.node.gpu.nvlink = {1};
  c.node.gpu.bf16 = {kInfinite};  // nothing but the experts takes time
  c.node.gpu.memory_bandwidth = {kInfinite};
  c.node.nic = {1};
  c.node.pcie = {1e9};
  return c;
}

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
  GroupRun::Phase phase;
  phase.name = "decode";
  phase.steps = steps;
  compute::add_decode(phase.batch, model, 1, 1, 4);
  phase.setup.dispatch = {network::ExchangeKernel::deepep_normal, network::ExchangeDirection::dispatch, 1_B, 1, true};
  phase.setup.combine = {network::ExchangeKernel::deepep_normal, network::ExchangeDirection::combine, 1_B, 1, true};
  phase.traffic = &traffic;
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
