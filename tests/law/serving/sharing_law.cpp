// Shares of copies that are fixed when the plan is made, while requests are served.
#include <gtest/gtest.h>

#include "results/results.h"
#include "serving/run_serving.h"
#include "support/refusal.h"

namespace moesim::serving {
namespace {
std::string scenario(const std::string& placement, const std::string& routing = "{kind: log_normal, sigma: 0.7}",
                     const std::string& serving = "") {
  return "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 4, fabric: ib-rail}\nrouting: " + routing +
         "\nplacement: {" + placement +
         "}\nserving:\n  duration: 20 s\n  workload: {kind: poisson, rate: 100, input: {kind: fixed, mean: 500}, "
         "output: {kind: fixed, mean: 50}}\n" +
         serving + "  pools: [{role: decode, parallel: {data: 16}, graphs: true, bank: {noise: false}}]\n";
}
std::unique_ptr<results::Results> serve(const std::string& yaml) {
  const Config config = Config::from_text(yaml, "sharing.yaml");
  auto out = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{config, 1, *out, spans};
  run_serving(study);
  return out;
}
double balance(const std::string& yaml) { return serve(yaml)->metric_value("balancedness", "pool:decode"); }
const std::string kCopies = "strategy: eplb, slots: 80, sharing: ";

TEST(Sharing, OnTheLoadsPlannedOnFixedSharesAreAsEvenAsSolvedOnes) {
  const double even = balance(scenario(kCopies + "even")), planned = balance(scenario(kCopies + "planned")),
               solved = balance(scenario(kCopies + "balanced"));
  EXPECT_GT(planned, even + 0.005);
  EXPECT_NEAR(planned, solved, 1e-6) << "the law does not move, and no chance is in it";
  EXPECT_EQ(balance(scenario("strategy: eplb, slots: 80")), even) << "unless said otherwise";
}

TEST(Sharing, OnOtherLoadsSolvingGivesMore) {
  const std::string moved = "{kind: grouped, steady: 0.3}", later = ", planned_on: {step: 1000000}";
  EXPECT_GT(balance(scenario(kCopies + "balanced" + later, moved)),
            balance(scenario(kCopies + "planned" + later, moved)) + 0.01);
}

TEST(Sharing, FixedSharesTakeNoTimeToSolve) {
  const auto dispatch = [](const std::string& sharing) {
    return serve(scenario(kCopies + sharing))->metric_value("dispatch_time", "pool:decode,layer:9");
  };
  EXPECT_NEAR(dispatch("balanced") - dispatch("planned"), 100e-6, 5e-6);
}

TEST(Sharing, IsSaidWithWhatItGains) {
  const auto r = serve(scenario(kCopies + "planned"));
  results::Statement s = r->database().prepare("SELECT value, reason FROM assumption WHERE name = 'replica choice'");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "planned");
  EXPECT_TRUE(std::string(s.text(1)).starts_with(
      "copies keep the shares that level the GPUs on what they are planned from: mean/max 0."))
      << s.text(1);
}

TEST(Sharing, EveryPlanMakesTheSharesAnew) {
  // Planned on loads of long ago: after the first plan, whose places and shares are of the loads served, even and fixed
  // shares start from the same balance as without copies' history, and fixed ones are better again.
  const std::string moved = "{kind: grouped, steady: 0.3}";
  const auto after = [&](const std::string& sharing, const std::string& more) {
    return serve(scenario(kCopies + sharing + ", planned_on: {step: 1000000}", moved,
                          "  rebalance: {interval: 4 s, window: 100, policy: eplb" + more + "}\n"));
  };
  for (const std::string more : {"", ", layerwise: true"}) {
    const auto planned = after("planned", more), even = after("even", more);
    ASSERT_GE(planned->metric_value("rebalances", "pool:decode"), 1);
    EXPECT_GT(planned->metric_value("rebalance_balancedness_after", "pool:decode"),
              planned->metric_value("rebalance_balancedness_before", "pool:decode"));
    EXPECT_GT(planned->metric_value("rebalance_balancedness_after", "pool:decode"),
              even->metric_value("rebalance_balancedness_after", "pool:decode"))
        << more;
  }
}

TEST(Sharing, CopiesThatAreLeftShareWhatALostGpusHad) {
  // With a copy of every expert elsewhere a GPU is lost without a reload, and comes back; all tokens are computed.
  const std::string fault = "  faults: [{kind: gpu, at: 5 s, gpu: 3, detect: 1 s}]\n",
                    law = "{kind: log_normal, sigma: 0.7}";
  const std::string twice = "strategy: eplb_global, slots: 128, sharing: ";
  const auto planned = serve(scenario(twice + "planned", law, fault)),
             even = serve(scenario(twice + "even", law, fault)), whole = serve(scenario(twice + "planned"));
  for (const auto* r : {&planned, &even}) {
    EXPECT_EQ((*r)->metric_value("requests_unaccounted"), 0);
    EXPECT_EQ((*r)->metric_value("tokens_unaccounted"), 0);
  }
  EXPECT_LT(planned->metric_value("balancedness", "pool:decode"), whole->metric_value("balancedness", "pool:decode"));
  EXPECT_GT(planned->metric_value("balancedness", "pool:decode"), 0.5);
}

TEST(Sharing, WithoutCopiesABalancedChoiceSaysThatItHasNoEffect) {
  const auto r = serve(scenario("strategy: eplb, replica_choice: balanced"));
  results::Statement s = r->database().prepare("SELECT reason FROM assumption WHERE name = 'replica choice'");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "as asked; without effect, for no expert has copies");
}

TEST(Sharing, RefusesWhatItCannotDo) {
  const auto refusal = [](const std::string& placement) {
    return test::refusal_of([&] { serve(scenario(placement)); });
  };
  EXPECT_EQ(refusal("strategy: eplb, sharing: planned"),
            "sharing.yaml:4:38: placement.sharing: no expert has copies to share its rows: give more slots than the 64 "
            "experts");
  EXPECT_EQ(
      refusal("strategy: eplb, slots: 80, sharing: planned, replica_choice: round_robin"),
      "sharing.yaml:4:74: placement.replica_choice: sharing says already which copy computes what: give one of the "
      "two");
  EXPECT_EQ(refusal("strategy: eplb, slots: 80, sharing: solved"),
            "sharing.yaml:4:49: placement.sharing: \"solved\" is not known here; there are: even, planned, balanced");
}
}  // namespace
}  // namespace moesim::serving
