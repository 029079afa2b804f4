// The laws of every deployment on random small ones: with failures, preemption, lower tiers, drafts, curves and folds.
#include <gtest/gtest.h>

#include "core/random.h"
#include "serving/run_serving.h"

namespace moesim::serving {
namespace {
/// One of `choices`, each as likely.
template <class T>
T any_of(Random& random, std::initializer_list<T> choices) {
  return choices.begin()[random.below(std::uint64_t(choices.size()))];
}

std::string pool(Random& random, const char* role, int instances, bool scaled) {
  const std::string batcher =
      fmt::format("{{kind: {}, max_requests: {}, max_tokens: {}}}", any_of(random, {"chunked", "continuous", "static"}),
                  4 + random.below(30), 100 + random.below(900));
  return fmt::format(
      "    - {{role: {}, instances: {}, parallel: {{data: {}}}, batcher: {}, start_up: 2 s, fixed: {{step: 2 ms, "
      "prefill_token: 20 us, decode_token: 200 us}}, kv: {{capacity: {}, block: 16, preemption: {}, watermark: "
      "{}}}{}}}\n",
      role, instances, 1 + random.below(4), batcher, 2500 + random.below(1500), any_of(random, {"recompute", "swap"}),
      any_of(random, {0.0, 0.01, 0.1}), scaled ? ", autoscale: {curve: [0.2, 1, 0.5], period: 30 s, check: 1 s}" : "");
}

std::string deployment(Random& random) {
  const bool split = random.below(2) == 1, scaled = random.below(3) == 0, decode_only = split && random.below(4) == 0;
  const int first = 1 + int(random.below(4)), second = 1 + int(random.below(4));
  std::string out = fmt::format(
      "{}serving:\n  duration: 20 s\n  drain: {}\n  context: 2400\n  workload: {{kind: {}, input: {{kind: "
      "log_normal, mean: 150, cv: 2, max: 4000}}, output: {{kind: exponential, mean: 120, max: 2000}}, prefixes: "
      "{{count: "
      "5, tokens: 64, skew: 1}}, sessions: {{turns: {}, pause: 500 ms}}, hash_block: 32}}\n  balancer: {{kind: {}}}\n",
      random.below(4) == 0 ? "fold: data\n" : "", any_of(random, {"true", "false"}),
      any_of(random,
             {"poisson, rate: 25", "gamma, rate: 20, cv: 3", "bursts, rate_on: 60, rate_off: 3, on: 2 s, off: 4 s",
              "daily, peak_rate: 30, curve: [0.2, 1, 0.5], period: 30 s"}),
      any_of(random, {1, 2}), any_of(random, {"least_loaded", "round_robin", "cache_aware", "kv_aware"}));
  const char* decodes = any_of(random, {"least_loaded", "round_robin", "kv_aware"});
  if (split) out += fmt::format("  decode_balancer: {{kind: {}}}\n", decodes);
  if (random.below(3) == 0) out += "  speculation: {kind: ngram, acceptance: [0.7, 0.4]}\n";
  if (random.below(2) == 0)
    out += fmt::format("  faults: [{{kind: gpu, at: 6 s, repair: 5 s, gpu: 0, detect: 1 s, answer: {}}}]\n",
                       any_of(random, {"redundancy", "restart"}));
  out += "  pools:\n";
  if (!split) return out + pool(random, "both", first, scaled);
  if (!decode_only) out += pool(random, "prefill", first, scaled);
  return out + pool(random, "decode", second, scaled);
}

TEST(RandomDeployments, KeepEveryLaw) {
  Random random(11, "random deployments");
  double preempted = 0, retried = 0, rejected = 0, finished = 0;
  for (int i = 0; i < 80; ++i) {
    const std::string yaml = deployment(random);
    SCOPED_TRACE(fmt::format("deployment {}:\n{}", i, yaml));
    const Config scenario = Config::from_text(yaml, "random.yaml");
    results::Results results(":memory:", results::RunIdentity{});
    results::SpanLog spans;
    results::StudyRun study{scenario, std::uint64_t(i), results, spans};
    run_serving(study);
    const auto at = [&](std::string_view name) { return results.metric_value(name); };
    EXPECT_EQ(at("requests_arrived"),
              at("requests_finished") + at("requests_running") + at("requests_waiting") + at("requests_rejected"));
    EXPECT_EQ(at("requests_unaccounted"), 0);
    EXPECT_EQ(at("tokens_unaccounted"), 0);
    if (yaml.find("drain: true") != std::string::npos) {
      EXPECT_EQ(at("requests_running") + at("requests_waiting"), 0);
    }
    const auto count = [&](const std::string& condition) {
      results::Statement s = results.database().prepare("SELECT count(*) FROM " + condition);
      s.step();
      return s.integer(0);
    };
    EXPECT_EQ(count("request WHERE start < arrival OR first_token < start OR \"end\" < first_token"), 0);
    EXPECT_EQ(count("metric WHERE name IN ('kv_peak', 'kv_mean', 'utilisation', 'slo_share', 'open_share') AND (value "
                    "< 0 OR value > 1)"),
              0);
    EXPECT_EQ(count("series WHERE name IN ('kv_occupancy', 'utilisation') AND (value < 0 OR value > 1)"), 0);
    EXPECT_EQ(count("step WHERE \"end\" < start"), 0);
    EXPECT_GE(at("concurrency"), 0);
    EXPECT_LE(at("concurrency"), at("max_concurrent_requests"));
    results::Statement s = results.database().prepare("SELECT sum(value) FROM metric WHERE name = 'preemptions'");
    s.step();
    preempted += s.real(0);
    retried += at("requests_retried");
    rejected += at("requests_rejected");
    finished += at("requests_finished");
  }
  EXPECT_GT(preempted, 100) << "the caches are too large to test anything";
  EXPECT_GT(retried, 100) << "failures hit nobody";
  EXPECT_GT(rejected, 100) << "no request is too long";
  EXPECT_GT(finished, 5000);
}
}  // namespace
}  // namespace moesim::serving
