// Every figure that a reader of a summary takes away, on a service whose steps take 10 ms whatever is in them.
#include "served.h"
#include "support/pin.h"

namespace moesim::serving {
namespace {
using test::pin;

TEST(FiguresFormula, OfOnePoolThatDoesBoth) {
  for (const bool drain : {true, false}) {
    const Served r =
        run(two_a_second(fmt::format("{{{}}}", kStep), drain, "  slo: {ttft: 10 ms, tpot: 10 ms, e2e: 110 ms}\n"));
    pin(*r.results, "window_start", "run", 20);
    pin(*r.results, "window_end", "run", 100);
    pin(*r.results, "ttft_p50", "run", 0.01);
    pin(*r.results, "ttft_p99", "run", 0.01);
    pin(*r.results, "tpot_p50", "run", 0.01);
    pin(*r.results, "e2e_p50", "run", 0.11);
    pin(*r.results, "queue_mean", "run", 0);
    pin(*r.results, "request_rate", "run", 2);
    pin(*r.results, "request_throughput", "run", 2);
    pin(*r.results, "goodput", "run", 2);
    pin(*r.results, "slo_share", "run", 1);
    pin(*r.results, "input_throughput", "run", 200);
    pin(*r.results, "output_throughput", "run", 22);
    pin(*r.results, "total_throughput", "run", 222);
    pin(*r.results, "tokens_per_user_second", "run", 100);
    pin(*r.results, "concurrency", "run", 0.22);
    pin(*r.results, "max_concurrent_requests", "run", 1);
    pin(*r.results, "utilisation", "run", 0.22);
    pin(*r.results, "running_mean", "pool:both", 0.22);
    pin(*r.results, "waiting_mean", "pool:both", 0);
    pin(*r.results, "batch_mean", "pool:both", 1);
    // 100 tokens of cache in blocks of 64: two pages of 6,400 tokens.  It never needs a third.
    pin(*r.results, "kv_mean", "pool:both", 0.22 * 128 / 6400);
    pin(*r.results, "kv_peak", "pool:both", 128.0 / 6400);
    pin(*r.results, "steady", "run", 1);
    pin(*r.results, "requests_measured", "run", 161);  // one at 20 s, one at 100 s
  }
}

TEST(FiguresFormula, WhoIsOpenAtTheEndIsCountedApart) {
  const Served r = run(two_a_second(fmt::format("{{{}}}", kStep), false));
  pin(*r.results, "open_share", "run", 1.0 / 161);  // the one of the last moment
  EXPECT_EQ(r.at("requests_running") + r.at("requests_waiting"), 1);
  pin(*r.results, "ttft_count", "run", 161);
  pin(*r.results, "tpot_count", "run", 160);
}

// 222 tokens a second on one GPU: an hour's price over 799,200 tokens.  One of eleven steps is the prompt's.
TEST(FiguresFormula, MoneyIsThatOfAllGpusByInputAndOutput) {
  const Served r = run(two_a_second(fmt::format("{{{}}}", kStep)));
  pin(*r.results, "gpus", "run", 1);
  pin(*r.results, "nodes", "run", 1.0 / 8);
  pin(*r.results, "cost_per_million_tokens", "run", kPrice / 0.7992);
  pin(*r.results, "cost_per_million_input_tokens", "run", kPrice / 11 / 0.72);
  pin(*r.results, "cost_per_million_output_tokens", "run", kPrice * 10 / 11 / 0.0792);
  pin(*r.results, "tokens_per_gpu_second", "run", 222);
}

// Three prefill instances of two GPUs beside one of one GPU that decodes: seven GPUs.
TEST(FiguresFormula, TokensAGpuAreOverAllGpusAndOfEachPoolOverItsOwn) {
  const std::string pools =
      fmt::format("{{role: prefill, instances: 3, parallel: {{tensor: 2}}, {0}}}, {{role: decode, {0}}}", kStep);
  const Served r = run(two_a_second(pools));
  pin(*r.results, "gpus", "run", 7);
  pin(*r.results, "cost_per_hour", "run", 7 * kPrice);
  pin(*r.results, "tokens_per_gpu_second", "run", 222.0 / 7);
  pin(*r.results, "input_tokens_per_gpu_second", "run", 200.0 / 7);
  pin(*r.results, "output_tokens_per_gpu_second", "run", 22.0 / 7);
  pin(*r.results, "cost_per_million_tokens", "run", 7 * kPrice / 0.7992);
  pin(*r.results, "gpus", "pool:prefill", 6);
  pin(*r.results, "input_tokens_per_gpu_second", "pool:prefill", 200.0 / 6);
  pin(*r.results, "output_tokens_per_gpu_second", "pool:prefill", 2.0 / 6);  // first tokens
  pin(*r.results, "output_tokens_per_gpu_second", "pool:decode", 20);
  pin(*r.results, "tokens_per_user_second", "pool:decode", 100);
  EXPECT_FALSE(r.has("tokens_per_user_second", "pool:prefill"));
  pin(*r.results, "input_tokens_per_node_second", "run", 200 / (6.0 / 8));
  pin(*r.results, "output_tokens_per_node_second", "run", 20 / (1.0 / 8));
}

TEST(FiguresFormula, WherePoolsDecodeTheirOwnWayEachHasItsUsers) {
  const Served r =
      run(two_a_second(fmt::format("{{name: fast, {}}}, {{name: slow, kv: {{capacity: 6400}}, fixed: {{step: 20 "
                                   "ms}}}}",
                                   kStep),
                       true, "  balancer: round_robin\n  slo: {tpot: 15 ms}\n"));
  pin(*r.results, "tokens_per_user_second", "pool:fast", 100);
  pin(*r.results, "tokens_per_user_second", "pool:slow", 50, 2e-06);
  pin(*r.results, "slo_share", "pool:fast", 1);
  pin(*r.results, "slo_share", "pool:slow", 0);
  pin(*r.results, "slo_share", "run", 0.5, 0.02);
}

TEST(FiguresFormula, PrefillAloneServesPrompts) {
  const Served r = run(two_a_second(fmt::format("{{role: prefill, {}}}", kStep)));
  pin(*r.results, "requests_rejected", "run", 0);
  pin(*r.results, "requests_finished", "run", 201);
  pin(*r.results, "ttft_p50", "run", 0.01);
  pin(*r.results, "output_throughput", "run", 2);
  EXPECT_FALSE(r.has("tpot_p50"));
}

// Ten at once, one after the other, a second each: nothing arrives in nearly all of the run.
TEST(FiguresFormula, ABatchIsMeasuredToItsEnd) {
  const Served r = run(
      "serving:\n  workload: {kind: constant, rate: 0, limit: 10, input: {kind: fixed, mean: 10}, output: {kind: "
      "fixed, "
      "mean: 1}}\n  pools: [{kv: {capacity: 640}, batcher: {kind: chunked, max_requests: 1}, fixed: {step: 1 s}}]\n");
  pin(*r.results, "window_end", "run", 10);
  pin(*r.results, "request_throughput", "run", 1);
  pin(*r.results, "goodput", "run", 1);
  pin(*r.results, "ttft_mean", "run", 5.5);
  pin(*r.results, "concurrency", "run", 5.5);
  pin(*r.results, "steady", "run", 1);
  EXPECT_EQ(r.warning("few requests"), "latencies are of 10 requests: a p99 is the longest of them");
}

// A prompt of a million tokens at 10 us each holds the step, and all in it, for ten seconds.
TEST(FiguresFormula, OneRequestThatStallsOthersIsSaid) {
  const Served r =
      run("serving:\n  workload: {kind: constant, rate: 10, limit: 400, input: {kind: table, values: [10, 1000000], "
          "weights: "
          "[399, 1]}, output: {kind: fixed, mean: 20}}\n  pools: [{kv: {capacity: 3000000}, batcher: {kind: chunked, "
          "max_tokens: 2000000}, fixed: {step: 10 ms, prefill_token: 10 us}}]\n");
  EXPECT_NE(r.warning("stalled").find("took 10 s, "), std::string::npos) << r.warning("stalled");
}

// A second for a prompt, ten of them a second, and one that decodes in no time beside it.
TEST(FiguresFormula, APoolThatAnotherKeepsFromWorkIsSaid) {
  const Served r = run(
      "serving:\n  duration: 100 s\n  warmup: 20 s\n  drain: false\n  workload: {kind: constant, rate: 10, input: "
      "{kind: "
      "fixed, mean: 10}, output: {kind: fixed, mean: 2}}\n  pools: [{role: prefill, kv: {capacity: 6400}, batcher: "
      "{kind: "
      "chunked, max_tokens: 10}, fixed: {step: 1 s}}, {role: decode, kv: {capacity: 6400}, fixed: {step: 1 ms}}]\n");
  pin(*r.results, "steady", "run", 0);
  pin(*r.results, "open_growth", "run", 0.9, 0.022);  // nine of ten wait for ever
  // 9 a second wait: 631 in the middle of the third quarter, 811 of the last, and 1 + root of 631 are 26.1.
  pin(*r.results, "open_growth_deviations", "run", 6.89, 0.03);
  pin(*r.results, "load", "pool:prefill", 10, 0.001);
  pin(*r.results, "request_throughput", "run", 1, 0.02);
  pin(*r.results, "goodput", "run", r.at("request_throughput"));
  EXPECT_NE(r.warning("saturated").find("come faster than they are served"), std::string::npos);
  EXPECT_NE(r.warning("starved").find("prefill is where requests are held up"), std::string::npos);
}

// Three a second to a server of a second each, one at a time: two of three wait with their senders.
TEST(FiguresFormula, WhoWaitsWithTheSenderIsSaid) {
  const Served r =
      run("serving:\n  duration: 100 s\n  drain: false\n  workload: {kind: constant, rate: 3, concurrency: 1, input: "
          "{kind: "
          "fixed, mean: 10}, output: {kind: fixed, mean: 1}}\n  pools: [{kv: {capacity: 640}, fixed: {step: 1 s}}]\n");
  pin(*r.results, "ttft_p99", "run", 1);
  pin(*r.results, "request_rate", "run", 1, 0.02);
  EXPECT_NE(r.warning("held back").find("requests were with their senders"), std::string::npos);
}

// Ten a second for 50 s, served in 500 s: no batch, though most of the run is work on what has come.
TEST(FiguresFormula, AFloodIsSaidHoweverLongItIsWorkedOff) {
  const Served r = run(
      "serving:\n  workload: {kind: constant, rate: 10, limit: 500, input: {kind: fixed, mean: 10}, output: {kind: "
      "fixed, "
      "mean: 1}}\n  pools: [{kv: {capacity: 640}, batcher: {kind: chunked, max_requests: 1}, fixed: {step: 1 s}}]\n");
  pin(*r.results, "window_end", "run", 500, 0.002);
  pin(*r.results, "steady", "run", 0);
  pin(*r.results, "open_growth", "run", 0.9, 0.022);
  pin(*r.results, "request_throughput", "run", 1, 0.01);
  pin(*r.results, "load", "run", 10, 0.01);  // of 500 arrivals in 49.9 s
  EXPECT_NE(r.warning("saturated"), "");
}

// One of three instances is simulated, and gets every third request: the deployment's figures are three times its own.
TEST(FiguresFormula, FoldedInstancesCountWhereTheWholeIsMeant) {
  const std::string pools = fmt::format("{{instances: 3, {}}}", kStep);
  const Served r = run("fold: data\n" + two_a_second(pools)),
               all = run(two_a_second(pools, true, "  balancer: round_robin\n"));
  for (const char* name : {"gpus", "cost_per_hour", "tokens_per_gpu_second", "cost_per_million_tokens",
                           "output_throughput", "cost_per_million_output_tokens", "output_tokens_per_node_second"})
    EXPECT_NEAR(r.at(name) / all.at(name), 1, 0.02) << name;  // 160 requests are not thrice a whole number
  pin(*r.results, "gpus", "run", 3);
}

// Every draft is accepted: ten tokens after the first in five steps.
TEST(FiguresFormula, AUserHasAcceptedDraftsToo) {
  const Served r =
      run(two_a_second(fmt::format("{{{}}}", kStep), true, "  speculation: {kind: ngram, acceptance: [1]}\n"));
  pin(*r.results, "tpot_p50", "run", 0.005, 2e-06);
  pin(*r.results, "tokens_per_user_second", "run", 200);
  pin(*r.results, "output_throughput", "run", 22);
}

// Four clients in step: eleven steps of 10 ms, and the next four come.
TEST(FiguresFormula, OfAClosedLoop) {
  for (const bool drain : {true, false}) {
    const Served r =
        run(fmt::format("serving:\n  duration: 100 s\n  warmup: 20 s\n  drain: {}\n  workload: {{kind: closed, "
                        "clients: 4, input: {{kind: "
                        "fixed, mean: 100}}, output: {{kind: fixed, mean: 11}}}}\n  pools: [{{{}}}]\n",
                        drain, kStep));
    pin(*r.results, "request_throughput", "run", 4 / 0.11, 0.0016);  // a round more or less in 80 s
    pin(*r.results, "goodput", "run", r.at("request_throughput"));
    pin(*r.results, "concurrency", "run", 4);
    pin(*r.results, "e2e_mean", "run", 0.11, 9.1e-06);
    pin(*r.results, "steady", "run", 1);
  }
}
}  // namespace
}  // namespace moesim::serving
