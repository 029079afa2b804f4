// Routing by cached prefixes: never fewer hits than taking ranks in turn, and as many as can be counted by hand.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "serving/run_serving.h"

namespace moesim::serving {
namespace {
double hit_rate(const std::string& balancer, const std::string& workload, int instances, int capacity,
                std::uint64_t seed) {
  const Config scenario = Config::from_text(
      fmt::format("serving:\n  workload: {{{}}}\n  balancer: {{kind: {}}}\n  pools: [{{instances: {}, kv: {{capacity: "
                  "{}}}, fixed: {{step: 5 ms, prefill_token: 20 us}}}}]\n",
                  workload, balancer, instances, capacity),
      "test.yaml");
  results::Results results(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, seed, results, spans};
  scenario.at("serving").placed([&] { return run_serving(study); });
  return results.metric_value("kv_hit_rate", "pool:both");
}

// One prefix of 64 tokens, eight prompts of 128 that end before the next comes, and the window as the last one does:
// seven count.  In turn, each of four instances computes the prefix once; by cache, one does.
TEST(CacheRouting, FindsThePrefixThatOneInstanceHolds) {
  const std::string workload =
      "kind: constant, rate: 1, limit: 8, input: {kind: fixed, mean: 128}, output: {kind: fixed, mean: 2}, prefixes: "
      "{count: 1, tokens: 64}";
  EXPECT_NEAR(hit_rate("round_robin", workload, 4, 100000, 1), (7 - 4) * 64 / (7 * 128.0), 1e-12);
  EXPECT_NEAR(hit_rate("cache_aware", workload, 4, 100000, 1), (7 - 1) * 64 / (7 * 128.0), 1e-12);
}

TEST(CacheRouting, NeverHitsLessThanTakingRanksInTurn) {
  Random random(1, "deployments");
  double gained = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const int instances = 2 + int(random.below(5)), prefixes = 1 + int(random.below(24));
    const std::string workload = fmt::format(
        "kind: poisson, rate: {}, limit: 400, input: {{kind: exponential, mean: 300, max: 2000}}, output: {{kind: "
        "fixed, "
        "mean: 4}}, prefixes: {{count: {}, tokens: {}}}",
        5 * instances, prefixes, 64 * (1 + random.below(8)));
    const int capacity = 6400 << random.below(4);
    const double turn = hit_rate("round_robin", workload, instances, capacity, seed),
                 cached = hit_rate("cache_aware", workload, instances, capacity, seed);
    EXPECT_GE(cached, turn) << instances << " instances, capacity " << capacity << ", " << workload;
    gained += cached - turn;
  }
  EXPECT_GT(gained / 20, 0.02);
}
}  // namespace
}  // namespace moesim::serving
