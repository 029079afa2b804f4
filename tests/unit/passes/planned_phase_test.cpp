// Passes of one phase are placed for that phase.
#include <gtest/gtest.h>

#include "passes/passes.h"
#include "results/results.h"
#include "results/study.h"
#include "support/places.h"

namespace moesim::passes {
namespace {
double balancedness(const std::string& phases, const std::string& planned_on) {
  const Config scenario = Config::from_text(
      "model: deepseek-v3\ncluster: h800-32\nnetwork: bottleneck\n"
      "routing: {kind: grouped, phases_alike: 0.5}\n"
      "placement: {strategy: eplb_global, slots: 288" +
          planned_on + "}\npasses: {" + phases + "}\n",
      test::source_dir() + "/scenarios/test.yaml");
  results::Results results(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, results, spans};
  scenario.at("passes").placed([&] { return run_passes(study); });
  return results.metric_value("balancedness");
}

TEST(PlannedPhase, IsTheOneThatIsComputed) {
  const std::string decode = "prefill: {steps: 0}, decode: {steps: 1, sequences: 512, context: 64}",
                    prefill = "prefill: {steps: 1, sequences: 1, new_tokens: 1024}, decode: {steps: 0}";
  for (const auto& [phases, own, other] : {std::tuple(decode, "decode", "prefill"), {prefill, "prefill", "decode"}}) {
    SCOPED_TRACE(phases);
    const double here = balancedness(phases, "");
    EXPECT_EQ(here, balancedness(phases, std::string(", planned_on: {phase: ") + own + "}"));
    EXPECT_GT(here, balancedness(phases, std::string(", planned_on: {phase: ") + other + "}") + 0.1);
  }
}
}  // namespace
}  // namespace moesim::passes
