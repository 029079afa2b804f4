// Loads of layers that look experts up by token id, worked out in the head.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "routing/traffic.h"
#include "support/byte_builders.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::routing {
namespace {
constexpr GateShape kGate{16, 4, 1, 1};

std::unique_ptr<TrafficSource> source_of(const std::string& parameters, std::uint64_t seed = 1) {
  return make_traffic(Config::from_text("{kind: token_hash" + parameters + "}", "test.yaml"),
                      {kGate, {4, 4}, seed, {}});
}
std::vector<double> shares_of(const TrafficSource& source, int layer = 0, std::int64_t step = 0) {
  std::vector<double> out(16);
  source.shares(layer, step, out);
  std::ranges::sort(out);
  return out;
}

TEST(TokenHash, OneTokenIdHasItsFourExpertsAndNobodyElse) {
  const auto source = source_of(", vocabulary: 1");
  const std::vector<double> sorted = shares_of(*source);
  for (std::size_t e = 0; e < 12; ++e) EXPECT_EQ(sorted[e], 0);
  for (std::size_t e = 12; e < 16; ++e) EXPECT_DOUBLE_EQ(sorted[e], 0.25);
  // 10 tokens of it: 10 rows at each of the four.
  std::vector<double> load(16);
  source->draw_load(3, 5, 10, load);
  std::ranges::sort(load);
  EXPECT_EQ(load[11], 0);
  EXPECT_EQ(load[12], 10);
  EXPECT_EQ(load[15], 10);
}

TEST(TokenHash, FrequenciesOfAFileAreTheShares) {
  // Id 0 three times, id 5 once: experts of id 0 alone have 3/4 of a quarter, of id 5 alone 1/16, of both a quarter.
  TemporaryFolder folder;
  const std::string file = folder.write("ids.npy", bytes::npy("<i4", "(2, 2)", bytes::raw<std::int32_t>({0, 5, 0, 0})));
  const auto source = source_of(", tokens: " + file);
  double sum = 0;
  for (const double s : shares_of(*source)) {
    EXPECT_TRUE(s == 0 || s == 0.75 / 4 || s == 0.25 / 4 || s == 0.25) << s;
    sum += s;
  }
  EXPECT_DOUBLE_EQ(sum, 1);
  EXPECT_EQ(test::refusal_of([&] { source_of(", vocabulary: 5, tokens: " + file); }),
            "test.yaml:1:43: tokens: " + file + ": a token has the id 5, but ids end at 4");
}

TEST(TokenHash, ATokenHasTheSameExpertsAtEveryStepAndIsTheSameInEveryLayer) {
  const auto source = source_of(", vocabulary: 3, exponent: 0");
  const std::vector<std::int32_t> tokens{5, 4, 3, 0};
  const auto lists = [&](int layer, std::int64_t step) {
    Traffic t;
    source->draw(layer, step, tokens, t);
    std::vector<std::vector<std::int16_t>> out;
    for (std::size_t i = 0; i < t.choices.size(); i += 4)
      out.emplace_back(t.choices.begin() + std::ptrdiff_t(i), t.choices.begin() + std::ptrdiff_t(i) + 4);
    return out;
  };
  std::set<std::vector<std::int16_t>> seen;
  for (int step = 0; step < 50; ++step)
    for (const auto& choice : lists(0, step)) seen.insert(choice);
  EXPECT_EQ(seen.size(), 3u);  // as many as there are ids
  // Two tokens that share experts in one layer are of one id, and share them in the other.
  const auto a = lists(0, 7), b = lists(1, 7);
  ASSERT_EQ(a.size(), 12u);
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_EQ(a[i] == a[j], b[i] == b[j]);
}

TEST(TokenHash, OnlyTheFirstLayersLookUp) {
  const auto source = source_of(", layers: 3, vocabulary: 1, others: {kind: balanced}");
  EXPECT_EQ(shares_of(*source, 2)[0], 0);
  EXPECT_DOUBLE_EQ(shares_of(*source, 3)[0], 1.0 / 16);
  Traffic t;
  source->draw(3, 0, std::vector<std::int32_t>{100, 100, 100, 100}, t);
  EXPECT_EQ(t.tokens[0], 100);
}

TEST(TokenHash, TextDecidesAndNothingElse) {
  // Neither the step nor the phase moves the load; another seed is another table.
  const auto source = source_of(""), other = source_of("", 2);
  EXPECT_EQ(shares_of(*source, 1, 0), shares_of(*source, 1, 1'000'000));
  EXPECT_NE(shares_of(*source, 1), shares_of(*other, 1));
  EXPECT_NE(shares_of(*source, 1), shares_of(*source, 2));
}

TEST(TokenHash, WhatIsWrongIsRefused) {
  const auto refused = [](const std::string& parameters) { return test::refusal_of([&] { source_of(parameters); }); };
  EXPECT_EQ(refused(", layers: 3"), "test.yaml:1:28: layers: then say how the others route: others: {kind: ...}");
  EXPECT_EQ(refused(", others: balanced"),
            "test.yaml:1:28: others: all layers look experts up; say which do: layers: N");
  EXPECT_EQ(refused(", vocabulary: 0"), "test.yaml:1:32: vocabulary: expected 1 to 1048576 ids, got 0");
}
}  // namespace
}  // namespace moesim::routing
