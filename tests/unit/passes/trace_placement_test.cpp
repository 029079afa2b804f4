// Placements that need tokens, in a scenario that replays a trace.
#include <gtest/gtest.h>

#include "common/small_trace.h"
#include "passes/passes.h"
#include "spec/catalogue.h"
#include "support/temporary_folder.h"

namespace moesim::passes {
namespace {
results::StudyEnd run(const std::string& routing, const std::string& strategy) {
  const Config scenario = Config::from_text(
      "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}\nrouting: " + routing +
          "\nplacement: {strategy: " + strategy +
          "}\npasses:\n  prefill: {steps: 1, sequences: 1, new_tokens: 64}\n  decode: {steps: 0}\n",
      "passes.yaml");
  results::Results results(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, results, spans};
  return run_passes(study);
}

TEST(TracePlacement, StrategiesOfTokensPlanOnTheScenariosTrace) {
  const TemporaryFolder folder;
  const std::string trace = write_small_trace(folder.file("trace.db"), spec::load_model("deepseek-v2-lite"));
  const std::uint64_t contiguous = run("{trace: " + trace + "}", "contiguous").fingerprint;
  for (const char* strategy : kStrategiesOfTokens)
    EXPECT_NE(run("{trace: " + trace + "}", strategy).fingerprint, contiguous) << strategy;
}

TEST(TracePlacement, WithoutATraceTheRefusalSaysWhereToGiveOne) {
  for (const char* strategy : kStrategiesOfTokens) {
    try {
      run("balanced", strategy);
      FAIL() << strategy;
    } catch (const ConfigError& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with("passes.yaml:4:")) << e.what();
      EXPECT_NE(std::string(e.what()).find(kAskForTrace), std::string::npos) << e.what();
    }
  }
}
}  // namespace
}  // namespace moesim::passes
