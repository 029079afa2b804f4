// What every training step must keep.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <numeric>

#include "common/small_trace.h"
#include "spec/catalogue.h"
#include "support/temporary_folder.h"
#include "training/balance.h"
#include "training/step.h"

namespace moesim::training::steps {
namespace {
struct Ran {
  TrainingPlan plan;
  schedule::StepOutcome step;
  std::uint64_t fingerprint = 0;
  StepFigures figures;
  TrainingLoads::Statistics loads;
};
Ran run(const std::string& training, const std::string& more = "", const std::string& model = "deepseek-v2-lite") {
  const Config scenario = Config::from_text(
      "model: " + model + "\ncluster: h800-32\n" + more + "training: {" + training + "}\n", "law.yaml");
  TrainingSetup setup(scenario, 3);
  Ran out{setup.plan(), setup.run(0, nullptr), 0, {}, {}};
  out.fingerprint = setup.engine().fingerprint();
  out.figures = figures_of(out.plan, {out.step});
  if (setup.loads() != nullptr) out.loads = setup.loads()->statistics();
  return out;
}
const std::string kMoe = "sequence: 2048, batch: 128, recompute: selective, parallel: {pipeline: 2, expert: 8}";
const std::string kSkew = "routing: {kind: log_normal, sigma: 0.5}\n";

TEST(TrainingLaw, TheSevenTimesOfEveryGpuAddUpToTheStep) {
  for (const std::string schedule : {"1f1b", "zb_v", "dualpipe", "dualpipev", "interleaved_1f1b"}) {
    const Ran r = run(kMoe + ", schedule: " + schedule, kSkew);
    for (const schedule::GpuOutcome& g : r.step.gpus)
      EXPECT_EQ(std::accumulate(g.spent.begin(), g.spent.end(), Time{0}), r.step.step) << schedule;
    EXPECT_NEAR(std::accumulate(r.figures.spent.begin(), r.figures.spent.end(), 0.0), r.figures.step_time, 1e-9);
    EXPECT_GT(r.figures.mfu_bf16_causal, 0.01);
    EXPECT_LT(r.figures.mfu_bf16_noncausal, 1);
    EXPECT_LT(r.figures.tflops_causal, r.figures.tflops_noncausal);
  }
}

TEST(TrainingLaw, SameSeedSameRun) {
  const Ran a = run(kMoe + ", schedule: dualpipe", kSkew), b = run(kMoe + ", schedule: dualpipe", kSkew);
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  EXPECT_EQ(a.step.step, b.step.step);
}

TEST(TrainingLaw, SkewSlowsTheStepAndShowsAsExposedCommunication) {
  const Ran even = run(kMoe), skewed = run(kMoe, "routing: {kind: hot_rank, factor: 3}\n");
  EXPECT_GT(skewed.step.step, even.step.step);
  EXPECT_GT(skewed.loads.imbalance, even.loads.imbalance);
}

TEST(TrainingLaw, ChoicesOfCopiesThatSpreadOverNodesReachMoreOfThem) {
  const std::string shape = "sequence: 2048, batch: 128, recompute: selective, parallel: {pipeline: 2, expert: 16}";
  const auto with = [&](const std::string& choice) {
    return run(shape, kSkew + "placement: {strategy: eplb, slots: 96" + choice + "}\n");
  };
  const Ran unnamed = with(""), near = with(", replica_choice: nearest"),
            spread = with(", replica_choice: round_robin");
  EXPECT_EQ(unnamed.fingerprint, near.fingerprint);
  EXPECT_LT(near.loads.nodes_per_token, spread.loads.nodes_per_token);
  EXPECT_GT(with(", replica_choice: balanced").loads.balancedness, near.loads.balancedness);
}

TEST(TrainingLaw, FoldedReplicasAgreeWithAllOfThem) {
  const Ran folded = run(kMoe, kSkew), whole = run(kMoe, kSkew + "fold: none\n");
  EXPECT_EQ(whole.step.gpus.size(), 2 * folded.step.gpus.size());
  EXPECT_NEAR(seconds(whole.step.step) / seconds(folded.step.step), 1, 0.01);
}

TEST(TrainingLaw, AStragglerIsNeverFree) {
  const Ran without = run(kMoe, kSkew), with = run(kMoe + ", slow_gpus: [{gpu: 3, speed: 0.5}]", kSkew);
  EXPECT_GT(with.step.step, without.step.step);
}

TEST(TrainingLaw, OverlapHidesExchanges) {
  const Ran hidden = run(kMoe + ", schedule: dualpipe"), bare = run(kMoe + ", schedule: dualpipe, overlap: none");
  EXPECT_LT(hidden.figures.spent[std::size_t(schedule::Spent::exposed_communication)],
            bare.figures.spent[std::size_t(schedule::Spent::exposed_communication)]);
}

TEST(TrainingLaw, RecomputationCostsTimeAndSavesMemory) {
  const std::string shape = "sequence: 2048, batch: 128, parallel: {pipeline: 2, expert: 8}";
  const Ran none = run(shape + ", recompute: none"), full = run(shape + ", recompute: full");
  EXPECT_GT(full.step.step, none.step.step);
  EXPECT_LT(full.figures.peak_memory, none.figures.peak_memory);
}

TEST(TrainingLaw, ZeroStagesSaveMemory) {
  std::int64_t before = INT64_MAX;
  for (int zero = 0; zero <= 3; ++zero) {
    const Ran r =
        run(fmt::format("sequence: 2048, batch: 64, parallel: {{tensor: 2, zero: {}}}", zero), "", "qwen2.5-7b");
    EXPECT_LT(r.figures.peak_memory, before) << "ZeRO-" << zero;
    before = r.figures.peak_memory;
  }
}

TEST(TrainingLaw, DenseModelsTakeTensorAndContextParallelism) {
  const std::string shape = "sequence: 4096, batch: 32, recompute: selective";
  const Ran plain = run(shape + ", parallel: {pipeline: 2, tensor: 2}", "", "llama-2-7b");
  const Ran split = run(shape + ", parallel: {pipeline: 2, tensor: 2, context: 2}", "", "llama-2-7b");
  EXPECT_EQ(plain.plan.micro_batches * 2, split.plan.micro_batches);
  EXPECT_LT(split.figures.peak_memory, plain.figures.peak_memory);
  EXPECT_GT(plain.figures.spent[std::size_t(schedule::Spent::exposed_communication)], 0);
}

TEST(TrainingLaw, DroppedRowsAreThoseAboveTheCapacity) {
  for (CapacityLevel level : {CapacityLevel::expert, CapacityLevel::device}) {
    routing::Traffic t;
    t.gate = {4, 2, 1, 1};
    t.sources = 2;
    t.tokens = {10, 10};
    t.rows = {10, 6, 2, 2, 10, 4, 4, 2};  // experts: 20 10 6 4, mean 10
    const std::int64_t dropped = drop_rows({1.2, level}, 2, t);
    // expert: 20 -> 12; device: 30 -> 24.
    EXPECT_EQ(dropped, level == CapacityLevel::expert ? 8 : 6);
    EXPECT_EQ(std::accumulate(t.rows.begin(), t.rows.end(), 0) + dropped, 40);
    for (std::int32_t rows : t.rows) EXPECT_GE(rows, 0);
  }
  const Ran whole = run(kMoe, kSkew), cut = run(kMoe + ", capacity: {factor: 1.0}", kSkew);
  EXPECT_EQ(whole.loads.dropped, 0);
  EXPECT_GT(cut.loads.dropped, 0);
  EXPECT_EQ(cut.loads.rows + cut.loads.dropped, whole.loads.rows);
}

TEST(TrainingLaw, BiasBalancingEvensTheLoad) {
  std::vector<double> popularity;
  for (int e = 0; e < 64; ++e) popularity.push_back(1 + e % 7);
  LayerBiases biases(popularity, {0, 0.001, 20});
  const double before = biases.imbalance();
  for (int i = 0; i < 20; ++i) biases.step();
  const double between = biases.imbalance();
  for (int i = 0; i < 400; ++i) biases.step();
  EXPECT_LT(between, before);
  EXPECT_LT(biases.imbalance(), between);
  EXPECT_LT(biases.imbalance(), 0.05);
  EXPECT_NEAR(std::accumulate(biases.shares().begin(), biases.shares().end(), 0.0), 1, 1e-12);
  const Ran without = run(kMoe, kSkew), with = run(kMoe + ", balance: {steps: 500}", kSkew);
  EXPECT_LT(with.loads.imbalance, without.loads.imbalance);
  EXPECT_LT(with.step.step, without.step.step);
}

std::vector<std::int64_t> link_bytes(const std::string& training, const std::string& more) {
  const Config scenario = Config::from_text(
      "model: deepseek-v2-lite\ncluster: h800-32\n" + more + "training: {" + training + "}\n", "l.yaml");
  TrainingSetup setup(scenario, 3);
  setup.run(0, nullptr);
  std::vector<std::int64_t> out;
  for (const network::LinkUse& use : setup.network().link_use()) out.push_back(use.bytes);
  return out;
}

TEST(TrainingLaw, BothNetworkModelsCountTheSameBytesOnEveryLink) {
  const std::string with = kMoe + ", overlap: dualpipe, schedule: dualpipe, beside_compute: 0.6";
  EXPECT_EQ(link_bytes(with, kSkew + "network: fluid\n"), link_bytes(with, kSkew + "network: bottleneck\n"));
}

TEST(TrainingLaw, FoldedReplicasCarryWhatTheFullOnesDo) {
  const auto totals = [](const std::string& fold) {
    const Config scenario = Config::from_text(
        "model: deepseek-v2-lite\ncluster: h800-32\n" + kSkew + fold + "training: {" + kMoe + "}\n", "l.yaml");
    TrainingSetup setup(scenario, 3);
    setup.run(0, nullptr);
    return setup.link_totals_of_all();
  };
  const network::LinkTotals folded = totals(""), whole = totals("fold: none\n");
  for (const network::LinkKind kind : {network::LinkKind::nvlink, network::LinkKind::nic})
    EXPECT_NEAR(folded[std::size_t(kind)] / whole[std::size_t(kind)], 1, 0.01) << name_of(kind);
}

TEST(TrainingLaw, ReductionAndGatheringCarryTheirParameters) {
  // 8 replicas on one node, each with all parameters: 7/8 of the gradients (4 bytes) and of the weights (2) go out of
  // every GPU, and come in.
  const Config scenario = Config::from_text(
      "model: qwen2.5-7b\ncluster: {node: hgx-h800, nodes: 1, fabric: ib-rail}\ntraining: {sequence: 2048, batch: 8, "
      "recompute: full, state: {gradients: fp32, weights: bf16, master: bf16}}\n",
      "l.yaml");
  TrainingSetup setup(scenario, 3);
  setup.run(0, nullptr);
  double parameters = 0;
  for (const PlanBlock& block : setup.plan().stages.front()) parameters += block_parameters(setup.plan(), block).dense;
  const network::LinkTotals all = setup.link_totals_of_all();
  EXPECT_NEAR(all[std::size_t(network::LinkKind::nvlink)] / (2 * 8 * 7.0 / 8 * parameters * (4 + 2)), 1, 1e-6);
  EXPECT_EQ(all[std::size_t(network::LinkKind::nic)], 0);
}

/// Six steps; the hot experts move after every other one.
struct Steps {
  std::vector<schedule::StepOutcome> steps;
  double balancedness = 0;
  std::uint64_t fingerprint = 0;
  std::vector<RebalancePlan> plans;
};
Steps run_steps(const std::string& rebalance, const std::string& more) {
  const Config scenario = Config::from_text(
      "model: deepseek-v2-lite\ncluster: h800-32\n" + more + "training: {" + kMoe + rebalance + "}\n", "law.yaml");
  TrainingSetup setup(scenario, 3);
  Steps out;
  for (int step = 0; step < 6; ++step) out.steps.push_back(setup.run(step, nullptr));
  out.balancedness = setup.loads()->statistics().balancedness / setup.loads()->statistics().draws;
  out.fingerprint = setup.engine().fingerprint();
  if (setup.rebalancing() != nullptr) out.plans = setup.rebalancing()->plans();
  return out;
}
const std::string kMoving = "routing: {kind: rotating_hot_spot, count: 4, factor: 6, every: 32, stride: 7}\n";

TEST(TrainingLaw, RebalancingFollowsAMovingHotSpotAtACost) {
  const Steps still = run_steps("", kMoving),
              moves = run_steps(", rebalance: {interval: 1, window: 1, policy: greedy}", kMoving);
  EXPECT_TRUE(still.plans.empty());
  EXPECT_GT(moves.balancedness, still.balancedness);
  ASSERT_FALSE(moves.plans.empty());
  const RebalancePlan& first = moves.plans.front();
  EXPECT_GT(first.hoped, first.before);
  EXPECT_GT(first.seconds, 0);
  // 3 x 2048 x 1408 parameters at 2 bytes, and half (two replicas share them) of 4 + 2 x 2 bytes of the optimiser's;
  // both replicas move alike.
  EXPECT_EQ(first.moved_bytes, 2.0 * double(first.moved_experts) * 3 * 2048 * 1408 * (2 + 8 / 2));
  for (const schedule::StepOutcome& step : moves.steps)
    for (const schedule::GpuOutcome& g : step.gpus)
      EXPECT_EQ(std::accumulate(g.spent.begin(), g.spent.end(), Time{0}), step.step);
  EXPECT_EQ(run_steps(", rebalance: {interval: 1, trigger: never}", kMoving).fingerprint, still.fingerprint);
  // Looks less often, or at a few layers at a time: later, not more.
  EXPECT_LE(run_steps(", rebalance: {interval: 3, window: 1, policy: greedy}", kMoving).plans.size(), 2u);
}

TEST(TrainingLaw, OnSteadyLoadsAThresholdNeverPlans) {
  const std::string placed = kSkew + "placement: {strategy: greedy}\n";
  const Steps still = run_steps("", placed),
              watched = run_steps(", rebalance: {interval: 1, trigger: {kind: threshold, below: 0.7}}", placed);
  EXPECT_TRUE(watched.plans.empty());
  EXPECT_EQ(watched.fingerprint, still.fingerprint);
}

std::string refused(const std::string& rebalance, const std::string& more = "") {
  try {
    run_steps(", rebalance: {" + rebalance + "}", more);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "accepted";
}
TEST(TrainingLaw, RebalancingIsRefusedWhereItIsWritten) {
  const auto names = [](const std::string& said, const std::string& what) {
    return said.starts_with("law.yaml:") && said.find(what) != std::string::npos;
  };
  for (const char* idle : {"planning: 5 ms", "layer: 1 ms", "policy: greedy"})
    EXPECT_PRED2(names, refused(idle), "nothing is rebalanced without an interval: give it, or leave this out");
  EXPECT_EQ(refused("interval: 0, planning: 5 ms"), "accepted");  // as the first point of a sweep has it
  EXPECT_PRED2(names, refused("interval: -1"), "training.rebalance.interval: expected at least 0, got -1");
  EXPECT_PRED2(names, refused("interval: 1, window: 0"), "training.rebalance.window: must be at least 1, got 0");
  EXPECT_PRED2(names, refused("interval: 1, policy: gredy"), "training.rebalance.policy: no placement is called");
  EXPECT_PRED2(names, refused("interval: 1, trigger: {kind: periodic, interval: 0}"),
               "training.rebalance.trigger.interval: must be at least 1, got 0");
  EXPECT_PRED2(names, refused("interval: 1, policy: affinity"),
               std::string("training.rebalance.policy: affinity: ") + kAskForTrace);
}

TEST(TrainingLaw, StrategiesOfTokensPlanOnTheScenariosTrace) {
  const TemporaryFolder folder;
  const std::string trace = write_small_trace(folder.file("trace.db"), spec::load_model("deepseek-v2-lite"));
  const auto placement = [&](const std::string& strategy) { return "placement: {strategy: " + strategy + "}\n"; };
  for (const std::string strategy : kStrategiesOfTokens) {
    const Ran ran = run(kMoe, "routing: {trace: " + trace + "}\n" + placement(strategy));
    EXPECT_GT(ran.step.step, Time{0}) << strategy;
    EXPECT_THROW(run(kMoe, placement(strategy)), ConfigError) << strategy;
  }
}
}  // namespace
}  // namespace moesim::training::steps
