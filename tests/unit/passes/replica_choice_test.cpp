// What a scenario's replica choice does to forward passes.
#include <gtest/gtest.h>

#include "passes/passes.h"

namespace moesim::passes {
namespace {
struct Ran {
  std::unique_ptr<results::Results> results;
  results::StudyEnd end;
};
Ran run(const std::string& choice) {
  const Config scenario = Config::from_text(
      "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}\nrouting: {kind: log_normal}\n"
      "placement: {strategy: eplb, slots: 96" +
          choice +
          "}\npasses:\n  prefill: {steps: 1, sequences: 1, new_tokens: 512}\n"
          "  decode: {steps: 1, sequences: 16, context: 512}\n",
      "passes.yaml");
  Ran out;
  out.results = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, *out.results, spans};
  out.end = run_passes(study);
  return out;
}
double nic_bytes(const Ran& ran) { return ran.results->metric_value("link_bytes", "links:nic"); }

TEST(ReplicaChoice, SpreadingOverNodesSendsMoreBytesOverAdapters) {
  const Ran unnamed = run(""), near = run(", replica_choice: nearest"), spread = run(", replica_choice: round_robin");
  EXPECT_EQ(unnamed.end.fingerprint, near.end.fingerprint);
  EXPECT_EQ(nic_bytes(unnamed), nic_bytes(near));
  EXPECT_LT(nic_bytes(near), nic_bytes(spread));
  EXPECT_LT(near.results->metric_value("nodes_per_token"), spread.results->metric_value("nodes_per_token"));
}

TEST(ReplicaChoice, ChoicesByLoadBalanceGpusBetter) {
  const double near = run("").results->metric_value("balancedness");
  EXPECT_GT(run(", replica_choice: least_loaded").results->metric_value("balancedness"), near);
  EXPECT_GT(run(", replica_choice: {kind: balanced}").results->metric_value("balancedness"), near);
}

TEST(ReplicaChoice, SharesFixedWithThePlanBalanceWhatItWasMadeForAndTakeNoTime) {
  const Ran even = run(", sharing: even"), planned = run(", sharing: planned"), solved = run(", sharing: balanced");
  EXPECT_EQ(even.end.fingerprint, run(", replica_choice: round_robin").end.fingerprint);
  EXPECT_EQ(solved.end.fingerprint, run(", replica_choice: balanced").end.fingerprint);
  const auto balance = [](const Ran& r) { return r.results->metric_value("balancedness", "phase:prefill"); };
  EXPECT_GT(balance(planned), balance(even) + 0.005);
  EXPECT_LT(balance(planned), balance(solved)) << "chance is in what comes";
  results::Statement s =
      planned.results->database().prepare("SELECT count(*) FROM assumption WHERE name = 'replica choice'");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.integer(0), 1);
}

TEST(ReplicaChoice, TheLinearProgrammesTimeComesBeforeEveryDispatch) {
  const auto step = [](const std::string& choice, const std::string& phase) {
    return run(choice).results->metric_value("step_time", "phase:" + phase);
  };
  constexpr double kLayers = 26;  // V2-Lite's MoE layers
  for (const char* phase : {"prefill", "decode"}) {
    const double free = step(", replica_choice: {kind: balanced, solve_time: 0 s}", phase),
                 slow = step(", replica_choice: {kind: balanced, solve_time: 1 ms}", phase),
                 slower = step(", replica_choice: {kind: balanced, solve_time: 2 ms}", phase);
    EXPECT_NEAR(slow - free, kLayers * 1e-3, kLayers * 2e-6) << phase << ": and the wait for the last GPU's counts";
    EXPECT_NEAR(slower - slow, kLayers * 1e-3, 1e-9) << phase;
    EXPECT_GT(step(", replica_choice: balanced", phase), free) << "100 us if nothing is said";
  }
}
}  // namespace
}  // namespace moesim::passes
