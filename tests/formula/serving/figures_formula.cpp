// Every figure that a reader of a summary takes away, on a service whose steps take 10 ms whatever is in them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "serving/run_serving.h"

namespace moesim::serving {
namespace {
struct Served {
  std::unique_ptr<results::Results> results;
  double at(std::string_view name, std::string_view scope = "run") const { return results->metric_value(name, scope); }
  bool has(std::string_view name, std::string_view scope = "run") const { return results->has_metric(name, scope); }
  std::string warning(std::string_view name) const {
    results::Statement s = results->database().prepare("SELECT text FROM warning WHERE name = ?");
    return s.bind(0, name).step() ? s.text(0) : "";
  }
};
Served run(const std::string& yaml) {
  const Config scenario = Config::from_text(yaml, std::string(SOURCE_DIR) + "/scenarios/figures.yaml");
  Served out{std::make_unique<results::Results>(":memory:", results::RunIdentity{})};
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, *out.results, spans};
  run_serving(study);
  return out;
}

/// Two requests a second of 100 tokens in and 11 out: a step for the prompt, ten that decode.  The window of 20 s to
/// 100 s has 160 of them.
std::string two_a_second(const std::string& pools, bool drain = true, const std::string& more = "") {
  return fmt::format(
      "cluster: {{node: hgx-h100, nodes: 1, fabric: ib-rail}}\nserving:\n  duration: 100 s\n  warmup: 20 s\n  drain: "
      "{}\n"
      "  workload: {{kind: constant, rate: 2, input: {{kind: fixed, mean: 100}}, output: {{kind: fixed, mean: "
      "11}}}}\n{}"
      "  pools: [{}]\n",
      drain, more, pools);
}
constexpr const char* kStep = "fixed: {step: 10 ms}, kv: {capacity: 6400}";

double price() {  // of an H100 and hour
  return run(two_a_second(fmt::format("{{{}}}", kStep))).at("cost_per_hour");
}

TEST(FiguresFormula, OfOnePoolThatDoesBoth) {
  for (const bool drain : {true, false}) {
    const Served r =
        run(two_a_second(fmt::format("{{{}}}", kStep), drain, "  slo: {ttft: 10 ms, tpot: 10 ms, e2e: 110 ms}\n"));
    EXPECT_EQ(r.at("window_start"), 20);
    EXPECT_EQ(r.at("window_end"), 100);
    EXPECT_NEAR(r.at("ttft_p50"), 0.01, 1e-8);
    EXPECT_NEAR(r.at("ttft_p99"), 0.01, 1e-8);
    EXPECT_NEAR(r.at("tpot_p50"), 0.01, 1e-8);
    EXPECT_NEAR(r.at("e2e_p50"), 0.11, 1e-8);
    EXPECT_NEAR(r.at("queue_mean"), 0, 1e-12);
    EXPECT_NEAR(r.at("request_rate"), 2, 1e-12);
    EXPECT_NEAR(r.at("request_throughput"), 2, 1e-12);
    EXPECT_NEAR(r.at("goodput"), 2, 1e-12);
    EXPECT_EQ(r.at("slo_share"), 1);
    EXPECT_NEAR(r.at("input_throughput"), 200, 1e-9);
    EXPECT_NEAR(r.at("output_throughput"), 22, 1e-9);
    EXPECT_NEAR(r.at("total_throughput"), 222, 1e-9);
    EXPECT_NEAR(r.at("tokens_per_user_second"), 100, 1e-4);
    EXPECT_NEAR(r.at("concurrency"), 0.22, 1e-9);
    EXPECT_EQ(r.at("max_concurrent_requests"), 1);
    EXPECT_NEAR(r.at("utilisation"), 0.22, 1e-9);
    EXPECT_NEAR(r.at("running_mean", "pool:both"), 0.22, 1e-9);
    EXPECT_NEAR(r.at("waiting_mean", "pool:both"), 0, 1e-12);
    EXPECT_NEAR(r.at("batch_mean", "pool:both"), 1, 1e-12);
    // 100 tokens of cache in blocks of 64: two pages of 6,400 tokens.  It never needs a third.
    EXPECT_NEAR(r.at("kv_mean", "pool:both"), 0.22 * 128 / 6400, 1e-9);
    EXPECT_NEAR(r.at("kv_peak", "pool:both"), 128.0 / 6400, 1e-12);
    EXPECT_EQ(r.at("steady"), 1);
    EXPECT_EQ(r.at("requests_measured"), 161);  // one at 20 s, one at 100 s
  }
}

TEST(FiguresFormula, WhoIsOpenAtTheEndIsCountedApart) {
  const Served r = run(two_a_second(fmt::format("{{{}}}", kStep), false));
  EXPECT_NEAR(r.at("open_share"), 1.0 / 161, 1e-12);  // the one of the last moment
  EXPECT_EQ(r.at("requests_running") + r.at("requests_waiting"), 1);
  EXPECT_EQ(r.at("ttft_count"), 161);
  EXPECT_EQ(r.at("tpot_count"), 160);
}

// 222 tokens a second on one GPU: an hour's price over 799,200 tokens.  One of eleven steps is the prompt's.
TEST(FiguresFormula, MoneyIsThatOfAllGpusByInputAndOutput) {
  const double dollars = price();
  EXPECT_GT(dollars, 0);
  const Served r = run(two_a_second(fmt::format("{{{}}}", kStep)));
  EXPECT_EQ(r.at("gpus"), 1);
  EXPECT_NEAR(r.at("nodes"), 1.0 / 8, 1e-12);
  EXPECT_NEAR(r.at("cost_per_million_tokens"), dollars / 0.7992, 1e-9 * dollars);
  EXPECT_NEAR(r.at("cost_per_million_input_tokens"), dollars / 11 / 0.72, 1e-9 * dollars);
  EXPECT_NEAR(r.at("cost_per_million_output_tokens"), dollars * 10 / 11 / 0.0792, 1e-8 * dollars);
  EXPECT_NEAR(r.at("tokens_per_gpu_second"), 222, 1e-9);
}

// Three prefill instances of two GPUs beside one of one GPU that decodes: seven GPUs.
TEST(FiguresFormula, TokensAGpuAreOverAllGpusAndOfEachPoolOverItsOwn) {
  const std::string pools =
      fmt::format("{{role: prefill, instances: 3, parallel: {{tensor: 2}}, {0}}}, {{role: decode, {0}}}", kStep);
  const Served r = run(two_a_second(pools));
  const double dollars = price();
  EXPECT_EQ(r.at("gpus"), 7);
  EXPECT_NEAR(r.at("cost_per_hour"), 7 * dollars, 1e-9);
  EXPECT_NEAR(r.at("tokens_per_gpu_second"), 222.0 / 7, 1e-9);
  EXPECT_NEAR(r.at("input_tokens_per_gpu_second"), 200.0 / 7, 1e-9);
  EXPECT_NEAR(r.at("output_tokens_per_gpu_second"), 22.0 / 7, 1e-9);
  EXPECT_NEAR(r.at("cost_per_million_tokens"), 7 * dollars / 0.7992, 1e-8 * dollars);
  EXPECT_EQ(r.at("gpus", "pool:prefill"), 6);
  EXPECT_NEAR(r.at("input_tokens_per_gpu_second", "pool:prefill"), 200.0 / 6, 1e-9);
  EXPECT_NEAR(r.at("output_tokens_per_gpu_second", "pool:prefill"), 2.0 / 6, 1e-9);  // first tokens
  EXPECT_NEAR(r.at("output_tokens_per_gpu_second", "pool:decode"), 20, 1e-9);
  EXPECT_NEAR(r.at("tokens_per_user_second", "pool:decode"), r.at("tokens_per_user_second"), 1e-12);
  EXPECT_FALSE(r.has("tokens_per_user_second", "pool:prefill"));
  EXPECT_NEAR(r.at("input_tokens_per_node_second"), 200 / (6.0 / 8), 1e-9);
  EXPECT_NEAR(r.at("output_tokens_per_node_second"), 20 / (1.0 / 8), 1e-9);
}

TEST(FiguresFormula, WherePoolsDecodeTheirOwnWayEachHasItsUsers) {
  const Served r =
      run(two_a_second(fmt::format("{{name: fast, {}}}, {{name: slow, kv: {{capacity: 6400}}, fixed: {{step: 20 "
                                   "ms}}}}",
                                   kStep),
                       true, "  balancer: round_robin\n  slo: {tpot: 15 ms}\n"));
  EXPECT_NEAR(r.at("tokens_per_user_second", "pool:fast"), 100, 1e-4);
  EXPECT_NEAR(r.at("tokens_per_user_second", "pool:slow"), 50, 1e-4);
  EXPECT_EQ(r.at("slo_share", "pool:fast"), 1);
  EXPECT_EQ(r.at("slo_share", "pool:slow"), 0);
  EXPECT_NEAR(r.at("slo_share"), 0.5, 0.01);
}

TEST(FiguresFormula, PrefillAloneServesPrompts) {
  const Served r = run(two_a_second(fmt::format("{{role: prefill, {}}}", kStep)));
  EXPECT_EQ(r.at("requests_rejected"), 0);
  EXPECT_EQ(r.at("requests_finished"), 201);
  EXPECT_NEAR(r.at("ttft_p50"), 0.01, 1e-8);
  EXPECT_NEAR(r.at("output_throughput"), 2, 1e-9);
  EXPECT_FALSE(r.has("tpot_p50"));
}

// Ten at once, one after the other, a second each: nothing arrives in nearly all of the run.
TEST(FiguresFormula, ABatchIsMeasuredToItsEnd) {
  const Served r = run(
      "serving:\n  workload: {kind: constant, rate: 0, limit: 10, input: {kind: fixed, mean: 10}, output: {kind: "
      "fixed, "
      "mean: 1}}\n  pools: [{kv: {capacity: 640}, batcher: {kind: chunked, max_requests: 1}, fixed: {step: 1 s}}]\n");
  EXPECT_EQ(r.at("window_end"), 10);
  EXPECT_EQ(r.at("request_throughput"), 1);
  EXPECT_EQ(r.at("goodput"), 1);
  EXPECT_NEAR(r.at("ttft_mean"), 5.5, 1e-6);
  EXPECT_NEAR(r.at("concurrency"), 5.5, 1e-6);
  EXPECT_EQ(r.at("steady"), 1);
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
  EXPECT_EQ(r.at("steady"), 0);
  EXPECT_NEAR(r.at("open_growth"), 0.9, 0.02);  // nine of ten wait for ever
  EXPECT_NEAR(r.at("load", "pool:prefill"), 10, 0.01);
  EXPECT_NEAR(r.at("request_throughput"), 1, 0.02);
  EXPECT_NEAR(r.at("goodput"), r.at("request_throughput"), 1e-12);
  EXPECT_NE(r.warning("saturated").find("come faster than they are served"), std::string::npos);
  EXPECT_NE(r.warning("starved").find("prefill is where requests are held up"), std::string::npos);
}

// Three a second to a server of a second each, one at a time: two of three wait with their senders.
TEST(FiguresFormula, WhoWaitsWithTheSenderIsSaid) {
  const Served r =
      run("serving:\n  duration: 100 s\n  drain: false\n  workload: {kind: constant, rate: 3, concurrency: 1, input: "
          "{kind: "
          "fixed, mean: 10}, output: {kind: fixed, mean: 1}}\n  pools: [{kv: {capacity: 640}, fixed: {step: 1 s}}]\n");
  EXPECT_NEAR(r.at("ttft_p99"), 1, 1e-6);
  EXPECT_NEAR(r.at("request_rate"), 1, 0.02);
  EXPECT_NE(r.warning("held back").find("requests were with their senders"), std::string::npos);
}

// Ten a second for 50 s, served in 500 s: no batch, though most of the run is work on what has come.
TEST(FiguresFormula, AFloodIsSaidHoweverLongItIsWorkedOff) {
  const Served r = run(
      "serving:\n  workload: {kind: constant, rate: 10, limit: 500, input: {kind: fixed, mean: 10}, output: {kind: "
      "fixed, "
      "mean: 1}}\n  pools: [{kv: {capacity: 640}, batcher: {kind: chunked, max_requests: 1}, fixed: {step: 1 s}}]\n");
  EXPECT_NEAR(r.at("window_end"), 500, 1);
  EXPECT_EQ(r.at("steady"), 0);
  EXPECT_NEAR(r.at("open_growth"), 0.9, 0.02);
  EXPECT_NEAR(r.at("request_throughput"), 1, 0.01);
  EXPECT_NEAR(r.at("load"), 10, 0.1);  // of 500 arrivals in 49.9 s
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
  EXPECT_EQ(r.at("gpus"), 3);
}

// Every draft is accepted: ten tokens after the first in five steps.
TEST(FiguresFormula, AUserHasAcceptedDraftsToo) {
  const Served r =
      run(two_a_second(fmt::format("{{{}}}", kStep), true, "  speculation: {kind: ngram, acceptance: [1]}\n"));
  EXPECT_NEAR(r.at("tpot_p50"), 0.005, 1e-8);
  EXPECT_NEAR(r.at("tokens_per_user_second"), 200, 1e-4);
  EXPECT_NEAR(r.at("output_throughput"), 22, 1e-9);
}

// Four clients in step: eleven steps of 10 ms, and the next four come.
TEST(FiguresFormula, OfAClosedLoop) {
  for (const bool drain : {true, false}) {
    const Served r =
        run(fmt::format("serving:\n  duration: 100 s\n  warmup: 20 s\n  drain: {}\n  workload: {{kind: closed, "
                        "clients: 4, input: {{kind: "
                        "fixed, mean: 100}}, output: {{kind: fixed, mean: 11}}}}\n  pools: [{{{}}}]\n",
                        drain, kStep));
    EXPECT_NEAR(r.at("request_throughput"), 4 / 0.11, 0.06);  // a round more or less in 80 s
    EXPECT_NEAR(r.at("goodput"), r.at("request_throughput"), 1e-12);
    EXPECT_NEAR(r.at("concurrency"), 4, 1e-9);
    EXPECT_NEAR(r.at("e2e_mean"), 0.11, 1e-6);
    EXPECT_EQ(r.at("steady"), 1);
  }
}
}  // namespace
}  // namespace moesim::serving
