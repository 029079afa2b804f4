// What the host of an engine costs a step.
#include <gtest/gtest.h>

#include "forward/engine.h"
#include "unit/serving/small_runs.h"

namespace moesim::serving {
namespace {
using forward::HostTime;

TEST(HostTime, OfOverlappedStepsIsWhatTheGpuDoesNotHide) {
  const HostTime host{.step = 100_us, .request = 10_us, .gap = 5_us};
  EXPECT_EQ(host.wait(20, 1_ms), 5_us);
  EXPECT_EQ(host.wait(20, 200_us), 105_us);
  EXPECT_EQ(host.wait(20, {}), 305_us);
}

TEST(HostTime, OfOtherStepsIsWaitedFor) {
  const HostTime host{.step = 100_us, .request = 10_us, .gap = 5_us, .overlapped = false};
  EXPECT_EQ(host.wait(20, 1_ms), 305_us);
}

/// Mean step of a single client: one request in every step, decoding but for the prompt's.
double step(const std::string& pool) {
  return run("model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 1, fabric: ib-rail}\nserving:\n  workload: "
             "{kind: closed, clients: 1, think: 1 s, limit: 5, input: {kind: fixed, mean: 100}, output: {kind: fixed, "
             "mean: 20}}\n"
             "  pools: [{" +
             pool + "}]\n")
      .at("step_time_mean", "run");
}
std::string host(const std::string& what) {
  return "engine: {extends: engine-sglang, host: {step: 300 us, request: 20 us, gap: 100 us, overlapped: " + what +
         "}}";
}

TEST(HostTime, IsPartOfEveryStep) {
  const double bare = step("overhead: 0 us");
  EXPECT_NEAR(step("overhead: 700 us") - bare, 700e-6, 1e-9);
  EXPECT_NEAR(step(host("false")) - bare, 420e-6, 1e-9);
  // Steps of milliseconds hide it, but for the first of each request, when nothing ran before.
  EXPECT_NEAR(step(host("true")) - bare, 100e-6 + 320e-6 / 20, 1e-9);
}
}  // namespace
}  // namespace moesim::serving
