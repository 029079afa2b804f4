#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "core/random.h"
#include "routing/trace.h"
#include "routing/traffic.h"
#include "support/refusal.h"

namespace moesim::routing {
namespace {
namespace fs = std::filesystem;

constexpr int kExperts = 24, kTopK = 3;
constexpr GateShape kRouter{kExperts, kTopK, 1, 1};

/// 700 tokens, two layers (1 and 2), three requests in turn, the last 100 tokens decode.  Writes the trace once.
class TraceTrafficTest : public ::testing::Test {
 protected:
  static constexpr int kTokens = 700;
  std::string file = ::testing::TempDir() + "traffic.db";
  std::vector<TraceToken> tokens;
  std::vector<std::int16_t> ids;  // (layers, tokens, top_k)
  TraceHeader header;

  void SetUp() override {
    fs::remove(file);
    TraceHeader h;
    h.source = "a test";
    h.layers = {1, 2};
    h.experts = kExperts;
    h.top_k = kTopK;
    h.domains = {"prose", "code"};
    Random random(5, "trace");
    for (int t = 0; t < kTokens; ++t)
      tokens.push_back({t / 100, t % 3, t / 3, t, t < 600 ? TracePhase::prefill : TracePhase::decode, 0});
    for (int i = 0; i < 2 * kTokens * kTopK; ++i) ids.push_back(std::int16_t(random.below(kExperts)));
    header = h;
    write(file, true);
  }
  void write(const std::string& to, bool complete) const {
    TraceWriter writer(to, header);
    writer.add(tokens, ids);
    writer.finish(complete);
  }
  void TearDown() override { fs::remove(file); }

  std::unique_ptr<TrafficSource> make(const std::string& more = "", std::optional<TracePhase> phase = {},
                                      GateShape gate = kRouter) const {
    return make_traffic(Config::from_text("trace: " + file + "\n" + more, "test.yaml"), {gate, {4, 4}, 1, phase});
  }
  int expert(int layer, int token, int j) const {
    return ids[std::size_t(((layer - 1) * kTokens + token) * kTopK + j)];
  }
};

TEST_F(TraceTrafficTest, AStepTakesTheNextTokensAndWrapsAround) {
  const auto source = make();
  Traffic t;
  source->draw(2, 2, std::vector<std::int32_t>{100, 50, 0, 130}, t);  // 280 a step: tokens 560 to 699, then 0 to 139
  ASSERT_EQ(t.choices.size(), 280u * kTopK);
  for (int i = 0; i < 280; ++i)
    for (int j = 0; j < kTopK; ++j) ASSERT_EQ(t.choices[std::size_t(i * kTopK + j)], expert(2, (560 + i) % 700, j));
  int second = 0;
  for (int i = 100; i < 150; ++i)
    for (int j = 0; j < kTopK; ++j) second += expert(2, (560 + i) % 700, j) == 7;
  EXPECT_EQ(t.rows[kExperts + 7], second);
}

TEST_F(TraceTrafficTest, APartOfARecordingSaysSoOnce) {
  file = ::testing::TempDir() + "part.db";
  fs::remove(file);
  write(file, false);
  ::testing::internal::CaptureStderr();
  (void)make();
  (void)make("", TracePhase::decode);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            file + ": is incomplete, for its recording was interrupted; its 700 tokens are replayed\n");
}

TEST_F(TraceTrafficTest, LargeStepsCountWhatListsWouldHold) {
  const auto source = make();
  Traffic t;
  source->draw(1, 1, std::vector<std::int32_t>(4, 10'000), t);
  EXPECT_FALSE(t.has_lists());
  EXPECT_EQ(t.sample.size(), 1024u * kTopK);
  std::vector<std::int32_t> want(4 * kExperts);
  for (int s = 0; s < 4; ++s)
    for (int i = 0; i < 10'000; ++i)
      for (int j = 0; j < kTopK; ++j) ++want[std::size_t(s * kExperts + expert(1, (40'000 + s * 10'000 + i) % 700, j))];
  EXPECT_EQ(t.rows, want);
  std::vector<double> load(kExperts);
  source->draw_load(1, 1, 40'000, load);
  for (int e = 0; e < kExperts; ++e) {
    double sum = 0;
    for (int s = 0; s < 4; ++s) sum += want[std::size_t(s * kExperts + e)];
    EXPECT_EQ(load[std::size_t(e)], sum);
  }
}

TEST_F(TraceTrafficTest, OnlyThePhaseAskedForIsReplayed) {
  const auto source = make("", TracePhase::decode);
  Traffic t;
  source->draw(1, 0, std::vector<std::int32_t>(4, 25), t);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(t.choices[std::size_t(i * kTopK)], expert(1, 600 + i, 0));
}

TEST_F(TraceTrafficTest, TokensCanBeDealtOrGroupedByRequest) {
  Traffic t;
  make("assign: round_robin")->draw(1, 0, std::vector<std::int32_t>(4, 10), t);
  EXPECT_EQ(t.choices[0], expert(1, 0, 0));
  EXPECT_EQ(t.choices[kTopK], expert(1, 4, 0));
  EXPECT_EQ(t.choices[10 * kTopK], expert(1, 1, 0));
  make("assign: request")->draw(1, 0, std::vector<std::int32_t>(4, 10), t);
  EXPECT_EQ(t.choices[kTopK], expert(1, 3, 0));
  EXPECT_EQ(t.choices[39 * kTopK], expert(1, 117, 0));
}

TEST_F(TraceTrafficTest, LayersAfterTheLastRouteAsTheLast) {
  const auto source = make();
  Traffic last, after;
  source->draw(2, 0, std::vector<std::int32_t>(4, 10), last);
  source->draw(3, 0, std::vector<std::int32_t>(4, 10), after);
  EXPECT_EQ(last.choices, after.choices);
}

TEST_F(TraceTrafficTest, WhatDoesNotFitIsRefused) {
  EXPECT_EQ(test::refusal_of([&] {
              make("", {}, {32, 3, 1, 1});
            }),
            "test.yaml:1:1: " + file + ": the trace has 24 experts and top-3, the model 32 and top-3");
  EXPECT_EQ(test::refusal_of([&] { make("domain: prosa"); }),
            "test.yaml:2:9: domain: " + file + ": the trace has no domain \"prosa\"; did you mean \"prose\"?");
  EXPECT_EQ(test::refusal_of([&] { make("domain: code", TracePhase::decode); }),
            "test.yaml:1:1: " + file + ": the trace has no decode token of domain \"code\"");
  Traffic t;
  EXPECT_EQ(test::refusal_of([&] { make()->draw(0, 0, std::vector<std::int32_t>(4, 1), t); }),
            file + ": the trace has no layer 0; it has 2 layers from 1 to 2");
  EXPECT_EQ(test::refusal_of([&] { make("domains: code"); }),
            "test.yaml:2:1: unknown key \"domains\"; did you mean \"domain\"?");
}
}  // namespace
}  // namespace moesim::routing
