// Every statistic of every latency, of values of which so many are so large.
#include "served.h"
#include "support/pin.h"

namespace moesim::serving {
namespace {
using test::pin;

// A prompt a second, of 100 to 500 tokens at 1 ms each: 70 % take 0.1 s, 22 % 0.2 s, 5 % 0.3 s, 2.5 % 0.4 s and 0.5 %
// 0.5 s.  No two are there at once, so a step is a prompt, and nothing but its token comes of it.
TEST(LatencyFigures, OfPromptsAndSteps) {
  const Served r = run(
      "serving:\n  workload: {kind: constant, rate: 1, limit: 20000, input: {kind: table, values: [100, 200, 300, 400, "
      "500], weights: [140, 44, 10, 5, 1]}, output: {kind: fixed, mean: 1}}\n  pools: [{kv: {capacity: 64000}, fixed: "
      "{prefill_token: 1 ms}}]\n");
  const double mean = 0.7 * 0.1 + 0.22 * 0.2 + 0.05 * 0.3 + 0.025 * 0.4 + 0.005 * 0.5;
  pin(*r.results, "ttft_mean", "run", mean, 0.01);  // of 20,000 drawn
  pin(*r.results, "ttft_p50", "run", 0.1);
  pin(*r.results, "ttft_p90", "run", 0.2);
  pin(*r.results, "ttft_p95", "run", 0.3);
  pin(*r.results, "ttft_p99", "run", 0.4);
  pin(*r.results, "ttft_p999", "run", 0.5);
  pin(*r.results, "ttft_count", "run", 20000);
  pin(*r.results, "e2e_mean", "run", mean, 0.01);
  pin(*r.results, "e2e_p50", "run", 0.1);
  pin(*r.results, "e2e_p90", "run", 0.2);
  pin(*r.results, "e2e_p95", "run", 0.3);
  pin(*r.results, "e2e_p99", "run", 0.4);
  pin(*r.results, "e2e_p999", "run", 0.5);
  pin(*r.results, "e2e_count", "run", 20000);
  for (const char* scope : {"run", "pool:both"}) {
    pin(*r.results, "step_time_mean", scope, mean, 0.01);
    pin(*r.results, "step_time_p50", scope, 0.1);
    pin(*r.results, "step_time_p90", scope, 0.2);
    pin(*r.results, "step_time_p95", scope, 0.3);
    pin(*r.results, "step_time_p99", scope, 0.4);
    pin(*r.results, "step_time_p999", scope, 0.5);
    pin(*r.results, "step_time_count", scope, 19999);  // the last ends after the last arrival
  }
  EXPECT_FALSE(r.has("tpot_mean")) << "of no second token";
}

// A thousand at once, one after the other, a second each: the k-th waits k - 1 seconds.
TEST(LatencyFigures, OfAQueue) {
  const Served r = run(
      "serving:\n  workload: {kind: constant, rate: 0, limit: 1000, input: {kind: fixed, mean: 10}, output: {kind: "
      "fixed, mean: 1}}\n  pools: [{kv: {capacity: 640}, batcher: {kind: chunked, max_requests: 1}, fixed: {step: 1 "
      "s}}]\n");
  pin(*r.results, "queue_mean", "run", 499.5);
  pin(*r.results, "queue_p50", "run", 499);
  pin(*r.results, "queue_p90", "run", 899);
  pin(*r.results, "queue_p95", "run", 949);
  pin(*r.results, "queue_p99", "run", 989);
  pin(*r.results, "queue_p999", "run", 998);
  pin(*r.results, "queue_count", "run", 1000);
  pin(*r.results, "waiting_mean", "pool:both", 499.5);  // 999 in the first second, none in the last
  pin(*r.results, "running_mean", "pool:both", 1);
}

// Forty instances in turn, a request each every forty seconds: 24 of 10 ms a step, 13 of 20 ms, two of 30 ms and one of
// 40 ms.  Ten tokens after the first.
TEST(LatencyFigures, OfTokensAfterTheFirst) {
  std::string pools;
  for (int i = 0; i < 40; ++i)
    pools += fmt::format("{}{{name: p{}, kv: {{capacity: 640}}, fixed: {{step: {} ms}}}}", i > 0 ? ", " : "", i,
                         i < 24   ? 10
                         : i < 37 ? 20
                         : i < 39 ? 30
                                  : 40);
  const Served r =
      run("serving:\n  workload: {kind: constant, rate: 1, limit: 4000, input: {kind: fixed, mean: 10}, "
          "output: {kind: fixed, mean: 11}}\n  balancer: round_robin\n  pools: [" +
          pools + "]\n");
  const double mean = (24 * 0.01 + 13 * 0.02 + 2 * 0.03 + 0.04) / 40;
  pin(*r.results, "tpot_mean", "run", mean);
  pin(*r.results, "tpot_p50", "run", 0.01);
  pin(*r.results, "tpot_p90", "run", 0.02);
  pin(*r.results, "tpot_p95", "run", 0.03);
  pin(*r.results, "tpot_p99", "run", 0.04);
  pin(*r.results, "tpot_p999", "run", 0.04);
  pin(*r.results, "tpot_count", "run", 4000);
  pin(*r.results, "itl_mean", "run", mean);
  pin(*r.results, "itl_p50", "run", 0.01, 1e-3);  // bins of a thousandth
  pin(*r.results, "itl_p90", "run", 0.02, 1e-3);
  pin(*r.results, "itl_p95", "run", 0.03, 1e-3);
  pin(*r.results, "itl_p99", "run", 0.04, 1e-3);
  pin(*r.results, "itl_p999", "run", 0.04, 1e-3);
  pin(*r.results, "itl_count", "run", 4000 * 10);
}
}  // namespace
}  // namespace moesim::serving
