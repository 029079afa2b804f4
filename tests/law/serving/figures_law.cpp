// Figures of a service: those of a window under load, whether the run then drains or stops.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <set>

#include "serving/run_serving.h"

namespace moesim::serving {
namespace {
struct Served {
  std::unique_ptr<results::Results> results;
  double at(std::string_view name, std::string_view scope = "run") const { return results->metric_value(name, scope); }
  bool has(std::string_view name) const { return results->has_metric(name); }
  double value(const std::string& query) const {
    results::Statement s = results->database().prepare(query);
    return s.step() ? s.real(0) : std::nan("");
  }
  std::set<std::string> warnings() const {
    std::set<std::string> out;
    results::Statement s = results->database().prepare("SELECT name FROM warning");
    while (s.step()) out.insert(s.text(0));
    return out;
  }
};
Served run(const std::string& yaml, std::uint64_t seed = 1) {
  const Config scenario = Config::from_text(yaml, "figures.yaml");
  Served out{std::make_unique<results::Results>(":memory:", results::RunIdentity{})};
  results::SpanLog spans;
  results::StudyRun study{scenario, seed, *out.results, spans};
  run_serving(study);
  return out;
}

/// A server of 64 places whose steps take 10 ms and 0.1 ms a request: some 50 requests/s of 100 tokens at most.
std::string service(double rate, bool drain, const std::string& more = "") {
  return fmt::format(
      "serving:\n  duration: 400 s\n  warmup: 50 s\n  drain: {}\n  workload: {{kind: poisson, rate: {}, input: {{kind: "
      "fixed, mean: 100}}, output: {{kind: log_normal, mean: 100, cv: 0.5, max: 400}}}}\n{}  record: {{requests: "
      "1000000}}\n  pools: [{{kv: {{capacity: 100000}}, batcher: {{kind: chunked, max_requests: 64}}, fixed: {{step: "
      "10 "
      "ms, prefill_token: 1 us, decode_token: 100 us}}}}]\n",
      drain, rate, more);
}

TEST(Figures, AreTheSameWhetherTheRunDrainsOrStops) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Served drained = run(service(20, true, "  slo: {tpot: 14 ms, e2e: 2 s}\n"), seed),
                 stopped = run(service(20, false, "  slo: {tpot: 14 ms, e2e: 2 s}\n"), seed);
    for (const char* name : {"request_rate", "request_throughput", "output_throughput", "total_throughput",
                             "utilisation", "concurrency", "tokens_per_gpu_second"})
      EXPECT_EQ(drained.at(name), stopped.at(name)) << name;
    for (const char* name : {"ttft_mean", "ttft_p50", "ttft_p99", "tpot_mean", "tpot_p50", "tpot_p99", "e2e_mean",
                             "e2e_p50", "e2e_p99", "itl_mean", "goodput", "slo_share", "tokens_per_user_second"})
      EXPECT_NEAR(drained.at(name) / stopped.at(name), 1, 0.01) << name << ", seed " << seed;
    EXPECT_GT(stopped.at("open_share"), 0);
    EXPECT_EQ(drained.at("open_share"), 0);
  }
}

TEST(Figures, GoodputUnderSteadyLoadIsTheShareOfTheRate) {
  const Served r = run(service(20, true, "  slo: {e2e: 1.2 s}\n"));
  EXPECT_EQ(r.at("steady"), 1);
  const double arrived = r.value("SELECT count(*) FROM request WHERE arrival >= 50"),
               good = r.value("SELECT count(*) FROM request WHERE arrival >= 50 AND \"end\" - arrival <= 1.2");
  EXPECT_GT(good / arrived, 0.3) << "too few are good to test anything";
  EXPECT_LT(good / arrived, 0.9) << "too many are good to test anything";
  EXPECT_NEAR(r.at("slo_share"), good / arrived, 1e-12);
  EXPECT_NEAR(r.at("goodput"), 20 * good / arrived, 0.01 * 20 * good / arrived + 3 * std::sqrt(20 / 350.0));
  EXPECT_NEAR(r.at("goodput_share"), r.at("slo_share"), 1e-12);
}

TEST(Figures, OfAFewSurvivorsAreLeftOutAndSaid) {
  const Served r = run(service(150, false));
  EXPECT_EQ(r.at("steady"), 0);
  EXPECT_GT(r.at("open_growth"), 0.5);
  EXPECT_TRUE(r.warnings().contains("saturated"));
  EXPECT_TRUE(r.warnings().contains("survivors"));
  // Of 150 a second some 39 begin: who arrived when the warm-up ended has waited 150 s, the last to begin nearly 300 s.
  EXPECT_GT(r.at("ttft_p50"), 150);
  EXPECT_EQ(r.at("ttft_count"), r.at("requests_measured"));
  // All places full: 64 requests in 16.4 ms, and prompts beside them.
  EXPECT_NEAR(r.at("request_throughput"), 64 / 0.0164 / 100, 0.06 * 39);
  EXPECT_NEAR(r.at("goodput"), r.at("request_throughput"), 1e-9);
}

TEST(Figures, ASteadyServiceIsNotWarnedOfAndAnOverloadOfATenthIs) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Served steady = run(service(30, true), seed);
    EXPECT_EQ(steady.at("steady"), 1) << seed;
    EXPECT_TRUE(steady.warnings().empty()) << seed << ' ' << *steady.warnings().begin();
    EXPECT_TRUE(run(service(45, true), seed).warnings().contains("saturated")) << seed;
  }
}

TEST(Figures, TimeAveragesKeepLittlesLaw) {
  const Served r = run(service(25, true));
  EXPECT_NEAR(r.at("concurrency"), r.at("request_rate") * r.at("e2e_mean"), 0.01 * r.at("concurrency"));
  EXPECT_NEAR(r.at("running_mean", "pool:both") + r.at("waiting_mean", "pool:both"), r.at("concurrency"), 1e-6);
  EXPECT_NEAR(r.at("waiting_mean", "pool:both"), r.at("request_rate") * r.at("queue_mean"),
              0.02 * r.at("request_rate") * r.at("queue_mean"));
}

TEST(Figures, NoTokenIsCountedTwiceOrLost) {
  for (const char* pools : {"{role: both, instances: 2, kv: {capacity: 3000}, fixed: {step: 5 ms}}",
                            "{role: prefill, kv: {capacity: 9000}, fixed: {step: 5 ms}}, {role: decode, kv: {capacity: "
                            "3000}, fixed: {step: 5 ms}}"}) {
    const Served r =
        run(fmt::format("serving:\n  workload: {{kind: poisson, rate: 12, limit: 600, input: {{kind: fixed, mean: "
                        "100}}, output: {{kind: "
                        "exponential, mean: 100, max: 900}}}}\n  speculation: {{kind: ngram, acceptance: [0.6, "
                        "0.3]}}\n  sample: 1 s\n  "
                        "pools: [{}]\n",
                        pools));
    EXPECT_EQ(r.at("requests_finished"), 600) << pools;
    // Of the series: every token generated, in whichever pool, after preemption or not.
    EXPECT_NEAR(r.value("SELECT sum(value) FROM series WHERE name = 'output_tokens_per_second'"), r.at("output_tokens"),
                0.02 * r.at("output_tokens"))
        << pools;  // the last second is not read
  }
}
/// Ten times what it can serve, told of by twenty ranks that are never without work.
double flooded(const std::string& pools, const std::string& workload, double rate) {
  const Served r =
      run(fmt::format("serving:\n  duration: 120 s\n  warmup: 60 s\n  drain: false\n  workload: {{kind: constant, "
                      "rate: {}, {}}}\n  pools: "
                      "[{}]\n",
                      rate, workload, pools));
  EXPECT_GT(r.at("load"), 1);
  return r.at("request_throughput") / (r.at("request_rate") / r.at("load"));
}

TEST(Load, IsWhatComesOverWhatAFloodedPoolServes) {
  const std::string
      lengths = "input: {kind: exponential, mean: 400, max: 4000}, output: {kind: exponential, mean: 100, max: 900}",
      step = "fixed: {step: 10 ms, prefill_token: 20 us, decode_token: 100 us}";
  const auto both = [&](const char* batcher, int capacity) {
    return fmt::format("{{parallel: {{data: 4}}, kv: {{capacity: {}}}, batcher: {}, {}}}", capacity, batcher, step);
  };
  EXPECT_NEAR(flooded(both("{kind: chunked, max_requests: 64, max_tokens: 2048}", 1000000), lengths, 300), 1, 0.04);
  EXPECT_NEAR(flooded(both("{kind: chunked, max_requests: 256, max_tokens: 128}", 1000000), lengths, 300), 1, 0.06);
  EXPECT_NEAR(
      flooded("{role: prefill, kv: {capacity: 100000}, batcher: {kind: chunked, max_tokens: 2048}, " + step + "}",
              lengths, 400),
      1, 0.04);
  const std::string some =
      "input: {kind: exponential, mean: 400, max: 4000}, output: {kind: uniform, min: 50, max: 150}";
  EXPECT_NEAR(
      flooded("{role: decode, kv: {capacity: 1000000}, batcher: {kind: chunked, max_requests: 100}, " + step + "}",
              some, 400),
      1, 0.02);
  // Where prompts have steps of their own, uneven ranks are not known; where the cache is full, preemption is not.
  const double apart = flooded(both("{kind: continuous, max_requests: 64, max_tokens: 2048}", 1000000), lengths, 300),
               full = flooded(both("{kind: chunked, max_requests: 256, max_tokens: 2048}", 8000), lengths, 300);
  EXPECT_GT(apart, 0.6);
  EXPECT_LT(apart, 1.02);
  EXPECT_GT(full, 0.6);
  EXPECT_LT(full, 1.02);
}

// 5 requests that decode in 10 ms, each 10 tokens after the first: 50 a second; prompts cost nothing.
TEST(Load, IsWorkedOutInTheHead) {
  const Served r = run(
      "serving:\n  duration: 100 s\n  workload: {kind: constant, rate: 20, input: {kind: fixed, mean: 100}, output: "
      "{kind: "
      "fixed, mean: 11}}\n  pools: [{kv: {capacity: 6400}, batcher: {kind: chunked, max_requests: 5}, fixed: {step: 10 "
      "ms}}]\n");
  EXPECT_NEAR(r.at("load"), 20 * 2001.0 / 2000 / 50, 1e-9);
  EXPECT_NEAR(r.at("load", "pool:both"), r.at("load"), 1e-12);
}
}  // namespace
}  // namespace moesim::serving
