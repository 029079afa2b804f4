// Folding: a simulated instance that stands for several serves as one of them would.
#include <gtest/gtest.h>

#include <cmath>

#include "serving/run_serving.h"

namespace moesim::serving::folds {
namespace {
struct Figures {
  double ttft = 0, ttft_p99 = 0, tpot = 0, rate = 0, gpu_hours = 0, kept = 0;
};
Figures run(const std::string& yaml, std::uint64_t seed) {
  const Config scenario = Config::from_text(yaml, "fold.yaml");
  results::Results results(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, seed, results, spans};
  run_serving(study);
  const auto at = [&](std::string_view name) { return results.metric_value(name); };
  return {at("ttft_mean"),
          at("ttft_p99"),
          at("tpot_mean"),
          at("output_tokens_per_gpu_second"),
          results.metric_value("gpu_hours", "pool:both"),
          at("requests_arrived")};
}

std::string service(int instances, const std::string& balancer, const std::string& fold, const std::string& more = "") {
  return fmt::format(
      "fold: {}\nserving:\n  duration: 100 s\n  warmup: 10 s\n  workload: {{kind: poisson, rate: {}, input: {{kind: "
      "exponential, mean: 400, max: 4000}}, output: {{kind: exponential, mean: 40, max: 400}}}}\n  balancer: {{kind: "
      "{}}}\n  pools: [{{instances: {}, parallel: {{data: 2}}, kv: {{capacity: 100000}}, fixed: {{step: 5 ms, "
      "prefill_token: 30 us, decode_token: 100 us}}{}}}]\n",
      fold, 25 * instances, balancer, instances, more);
}

/// The mean of folded over unfolded, and its standard error, from pairs of runs.
struct Ratio {
  double mean = 0, error = 0;
};
template <class Pick>
Ratio ratio(const std::vector<std::pair<Figures, Figures>>& pairs, Pick pick) {
  Ratio out;
  const double n = double(pairs.size());
  for (const auto& [full, folded] : pairs) out.mean += pick(folded) / pick(full) / n;
  double variance = 0;
  for (const auto& [full, folded] : pairs) {
    const double off = pick(folded) / pick(full) - out.mean;
    variance += off * off / (n - 1);
  }
  out.error = std::sqrt(variance / n);
  return out;
}

// Exactly so where the balancer takes instances in turn: each then gets every n-th request.  Among several, the least
// loaded evens out long prompts, which one alone cannot: up to 5 % of the waiting time.
TEST(Fold, AnInstanceServesAsOneOfThoseItStandsFor) {
  for (const char* balancer : {"round_robin", "least_loaded"}) {
    std::vector<std::pair<Figures, Figures>> pairs;
    for (std::uint64_t seed = 1; seed <= 12; ++seed)
      pairs.emplace_back(run(service(6, balancer, "none"), seed), run(service(6, balancer, "data"), seed));
    const auto expect_equal = [&](const char* what, double tolerance, auto pick) {
      const Ratio r = ratio(pairs, pick);
      EXPECT_NEAR(r.mean, 1, std::max(tolerance, 3 * r.error)) << balancer << ' ' << what;
      EXPECT_LT(r.error, 0.02) << balancer << ' ' << what << ": too few samples to say anything";
    };
    const double evened = balancer == std::string_view("round_robin") ? 0.01 : 0.05;
    expect_equal("ttft", evened, [](const Figures& f) { return f.ttft; });
    expect_equal("ttft p99", evened, [](const Figures& f) { return f.ttft_p99; });
    expect_equal("tpot", 0.01, [](const Figures& f) { return f.tpot; });
    expect_equal("rate", 0.01, [](const Figures& f) { return f.rate; });
    EXPECT_NEAR(pairs[0].second.kept, pairs[0].first.kept / 6, 1.0);  // of the same stream, every sixth
  }
}

TEST(Fold, FollowsACurveOfInstances) {
  const std::string scale = ", start_up: 3 s, autoscale: {curve: [0.3, 1], period: 100 s, check: 1 s}";
  std::vector<std::pair<Figures, Figures>> pairs;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const auto yaml = [&](const char* fold) {
      std::string text = service(10, "round_robin", fold, scale);
      text.replace(text.find("poisson, rate: 250"), 18, "daily, peak_rate: 250, curve: [0.3, 1], period: 100 s");
      return text;
    };
    pairs.emplace_back(run(yaml("none"), seed), run(yaml("data"), seed));
  }
  const auto expect_equal = [&](const char* what, double tolerance, auto pick) {
    const Ratio r = ratio(pairs, pick);
    EXPECT_NEAR(r.mean, 1, std::max(tolerance, 3 * r.error)) << what;
    EXPECT_LT(r.error, 0.02) << what;
  };
  expect_equal("ttft", 0.02, [](const Figures& f) { return f.ttft; });
  expect_equal("tpot", 0.02, [](const Figures& f) { return f.tpot; });
  expect_equal("rate", 0.02, [](const Figures& f) { return f.rate; });
  expect_equal("GPU hours", 0.01, [](const Figures& f) { return f.gpu_hours; });
}
}  // namespace
}  // namespace moesim::serving::folds
