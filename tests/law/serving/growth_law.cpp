// A group that grows is, before and after, the group of that size.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "serving/run_serving.h"
#include "support/places.h"

namespace moesim::serving::growth {
namespace {
std::unique_ptr<results::Results> served(const std::string& pool, double rate, const std::string& more = "") {
  const Config scenario = Config::from_text(
      fmt::format(
          "model: deepseek-v2-lite\ncluster: {{node: hgx-h100, nodes: 2, fabric: ib-rail}}\nrouting: "
          "balanced\nserving:\n  duration: 60 s\n  {}workload: {{kind: constant, rate: {}, input: {{kind: fixed, "
          "mean: 2000}}, output: {{kind: fixed, mean: 50}}}}\n  pools:\n    - {{{}, kv: {{capacity: 200000}}}}\n",
          more, rate, pool),
      test::source_dir() + "/scenarios/test.yaml");
  auto out = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, *out, spans};
  run_serving(study);
  EXPECT_EQ(out->metric_value("requests_unaccounted"), 0);
  EXPECT_EQ(out->metric_value("tokens_unaccounted"), 0);
  return out;
}
constexpr const char* kFigures[] = {"ttft_mean", "itl_mean", "e2e_p99", "queue_mean"};

TEST(GrowthLaw, BeforeItGrowsItIsASmallGroup) {
  const auto small = served("parallel: {data: 4}", 20),
             grows = served("parallel: {data: 4}, grow: [{at: 1000 s, data: 16}]", 20);
  for (const char* figure : kFigures) EXPECT_EQ(grows->metric_value(figure), small->metric_value(figure)) << figure;
}

// Steps begin at other moments between two arrivals.
TEST(GrowthLaw, OnceItHasGrownItIsALargeGroup) {
  const auto large = served("parallel: {data: 16}", 20, "warmup: 40 s\n  "),
             grown = served("parallel: {data: 4}, grow: [{at: 1 s, data: 16, pause: 0 s}]", 20, "warmup: 40 s\n  ");
  for (const char* figure : kFigures)
    EXPECT_NEAR(grown->metric_value(figure), large->metric_value(figure), 5e-3 * large->metric_value(figure)) << figure;
}

TEST(GrowthLaw, WhatFewCannotServeMoreDo) {
  const auto few = served("parallel: {data: 2}, start_up: 5 s", 120),
             more = served("parallel: {data: 2}, start_up: 5 s, grow: [{at: 10 s, data: 8}]", 120);
  EXPECT_LT(few->metric_value("requests_finished") / few->metric_value("e2e_mean"),
            more->metric_value("requests_finished") / more->metric_value("e2e_mean"));
  EXPECT_LT(more->metric_value("ttft_p99"), few->metric_value("ttft_p99"));
}
}  // namespace
}  // namespace moesim::serving::growth
