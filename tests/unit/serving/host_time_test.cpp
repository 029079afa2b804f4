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

// Steps of 10 ms: a prompt of 100 tokens and 20 tokens of answer take 20 steps.
std::string fixed(const std::string& more, const std::string& think = "1 s") {
  return "serving:\n  workload: {kind: closed, clients: 1, think: " + think +
         ", limit: 5, input: {kind: fixed, mean: 100}, output: {kind: fixed, mean: 20}}\n" + more +
         "  pools: [{fixed: {step: 10 ms}, kv: {capacity: 6400}}]\n";
}

constexpr double kKept = 2e-8;  // s: latencies are kept as floats, of 24 bits
TEST(FrontEnd, IsPartOfTheFirstTokenAndOfTheWholeNotOfTheNext) {
  const Ran bare = run(fixed("")),
            with = run(fixed("  front_end: {request: 3 ms, input_token: 20 us, output: 4 ms}\n"));
  EXPECT_NEAR(bare["ttft_mean"], 10e-3, kKept);
  EXPECT_NEAR(with["ttft_mean"], 10e-3 + 3e-3 + 100 * 20e-6 + 4e-3, kKept);
  EXPECT_NEAR(bare["e2e_mean"], 200e-3, kKept);
  EXPECT_NEAR(with["e2e_mean"], 200e-3 + 9e-3, kKept);
  EXPECT_NEAR(with["tpot_mean"], bare["tpot_mean"], kKept);
}
TEST(FrontEnd, IsWaitedForByWhoAsksNext) {
  const std::string front = "  front_end: {request: 3 ms, output: 4 ms}\n";
  EXPECT_NEAR(seconds(run(fixed(front, "0 s")).end.simulated_time) - seconds(run(fixed("", "0 s")).end.simulated_time),
              5 * 3e-3 + 4 * 4e-3, 1e-6);
}
TEST(FrontEnd, IsTheEnginesUnlessThePoolStatesItsOverhead) {
  const auto ttft = [](const std::string& pool, const std::string& more) {
    return run("model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 1, fabric: ib-rail}\nserving:\n" + more +
               "  workload: {kind: closed, clients: 1, think: 1 s, limit: 2, input: {kind: fixed, mean: 100}, output: "
               "{kind: fixed, mean: 5}}\n  pools: [{" +
               pool + "}]\n")["ttft_mean"];
  };
  const std::string own =
      "engine: {extends: engine-sglang, front_end: {request: 7 ms, input_token: 10 us, output: 0 s}}";
  EXPECT_NEAR(ttft(own, "") - ttft(own, "  front_end: {}\n"), 8e-3, kKept);
  EXPECT_NEAR(ttft(own + ", overhead: 1 ms", ""), ttft("overhead: 1 ms", "  front_end: {}\n"), kKept);
}
TEST(FrontEnd, WithoutPromptsIsRefused) {
  EXPECT_NE(message(unit(kDecode, "  front_end: {request: 1 ms}\n"))
                .find("serving.front_end: has no effect: no pool computes prompts"),
            std::string::npos);
}
}  // namespace
}  // namespace moesim::serving
