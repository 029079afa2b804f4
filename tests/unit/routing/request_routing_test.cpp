// What each request's tokens chose, by position: sums over any stretch, whole or partly recorded.
#include "routing/request_routing.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "core/random.h"

namespace moesim::routing {
namespace {
using Rows = std::vector<double>;

struct Row {
  TraceToken token;
  std::vector<std::int16_t> experts;  // of layer 2
};
/// Layers 1 and 2, top-k as the rows have; in layer 1 all choose experts 0, 1, ...
std::string trace_of(const std::string& name, int experts, const std::vector<Row>& rows) {
  const std::string file = testing::TempDir() + name;
  std::filesystem::remove(file);
  TraceHeader header;
  header.source = "a test";
  header.layers = {1, 2};
  header.experts = experts, header.top_k = int(rows[0].experts.size());
  std::vector<TraceToken> tokens;
  std::vector<std::int16_t> ids;
  for (const Row& r : rows) {
    tokens.push_back(r.token);
    for (int k = 0; k < header.top_k; ++k) ids.push_back(std::int16_t(k));
  }
  for (const Row& r : rows) ids.insert(ids.end(), r.experts.begin(), r.experts.end());
  TraceWriter writer(file, header);
  writer.add(tokens, ids);
  writer.finish();
  return file;
}
Rows rows_of(const RequestRouting& routing, int layer, int request, int first, int count) {
  Rows out(std::size_t(routing.header().experts), 0.0);
  routing.add_rows(layer, request, first, count, out);
  return out;
}
constexpr auto prefill = TracePhase::prefill, decode = TracePhase::decode;

TEST(RequestRouting, TokensAreFoundByRequestAndPositionInWhateverOrderTheyWereRecorded) {
  // Two requests that share passes: 7 has a prompt of 2 and decodes 2, 3 a prompt of 1 and decodes 1.
  const RequestRouting routing(trace_of("mixed.db", 8,
                                        {{{0, 7, 0, -1, prefill, 0}, {0}},
                                         {{0, 7, 1, -1, prefill, 0}, {1}},
                                         {{0, 3, 0, -1, prefill, 0}, {5}},
                                         {{1, 3, 1, -1, decode, 0}, {6}},
                                         {{1, 7, 2, -1, decode, 0}, {2}},
                                         {{2, 7, 3, -1, decode, 0}, {3}}}));
  ASSERT_EQ(routing.requests().size(), 2u);
  EXPECT_EQ(routing.requests()[0].prompt, 2);
  EXPECT_EQ(routing.requests()[0].decoded, 2);
  EXPECT_EQ(routing.requests()[1].prompt, 1);
  EXPECT_EQ(rows_of(routing, 2, 0, 0, 4), (Rows{1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(rows_of(routing, 2, 0, 1, 2), (Rows{0, 1, 1, 0, 0, 0, 0, 0})) << "the prompt's end and the first answer";
  EXPECT_EQ(rows_of(routing, 2, 1, 1, 1), (Rows{0, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(rows_of(routing, 1, 1, 0, 2), (Rows{2, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(rows_of(routing, 3, 1, 1, 1), rows_of(routing, 2, 1, 1, 1)) << "a layer behind the last";
  EXPECT_TRUE(routing.has(prefill) && routing.has(decode));
}

TEST(RequestRouting, WhatWasNotRecordedIsTheMeanOfTheRequestsOthersOfThatPhase) {
  // Of a prompt of 4 the last two tokens were recorded, the first of these twice; two were decoded.
  const RequestRouting routing(trace_of("parts.db", 4,
                                        {{{0, 0, 2, -1, prefill, 0}, {0}},
                                         {{0, 0, 2, -1, prefill, 0}, {3}},
                                         {{0, 0, 3, -1, prefill, 0}, {1}},
                                         {{1, 0, 4, -1, decode, 0}, {2}},
                                         {{2, 0, 5, -1, decode, 0}, {3}}}));
  EXPECT_EQ(routing.requests()[0].prompt, 4);
  EXPECT_EQ(routing.requests()[0].decoded, 2);
  EXPECT_EQ(rows_of(routing, 2, 0, 0, 1), (Rows{0.5, 0.5, 0, 0}));
  EXPECT_EQ(rows_of(routing, 2, 0, 0, 4), (Rows{2, 2, 0, 0})) << "two means and two tokens";
  EXPECT_EQ(rows_of(routing, 2, 0, 5, 3), (Rows{0, 0, 1, 2})) << "the last token and two behind it";
  EXPECT_EQ(rows_of(routing, 2, 0, 3, 4), (Rows{0, 1, 1.5, 1.5}))
      << "a step across prompt, answer and what lies behind";
}

TEST(RequestRouting, OfAPhaseThatWasNotRecordedTheOtherStandsIn) {
  const RequestRouting prompts(trace_of("prompts.db", 4, {{{0, 0, 0, -1, prefill, 0}, {1}}})),
      answers(trace_of("answers.db", 4, {{{0, 0, 3, -1, decode, 0}, {2}}}));
  EXPECT_EQ(rows_of(prompts, 2, 0, 0, 3), (Rows{0, 3, 0, 0}));
  EXPECT_FALSE(prompts.has(decode));
  EXPECT_EQ(answers.requests()[0].prompt, 3);
  EXPECT_EQ(rows_of(answers, 2, 0, 0, 4), (Rows{0, 0, 4, 0}));
  EXPECT_FALSE(answers.has(prefill));
}

TEST(RequestRouting, AnyStretchOfManyTokensIsTheSumOfItsTokens) {
  Random random(5, "request routing");
  std::vector<Row> rows;
  std::vector<std::vector<std::int16_t>> chosen[2];
  for (int i = 0; i < 3000; ++i) {
    const int request = int(random.below(2)), at = int(chosen[request].size());
    Row row{{i, request, at, -1, at < 1000 ? prefill : decode, 0}, {}};
    const auto first = std::int16_t(random.below(16));
    row.experts = {first, std::int16_t((first + 1 + int(random.below(15))) % 16), std::int16_t(-1)};
    chosen[request].push_back(row.experts);
    rows.push_back(row);
  }
  const RequestRouting routing(trace_of("many.db", 16, rows));
  for (int trial = 0; trial < 200; ++trial) {
    const int request = int(random.below(2)), all = int(chosen[request].size());
    const int first = int(random.below(std::uint64_t(all))), count = int(random.below(std::uint64_t(all - first + 1)));
    Rows want(16, 0.0);
    const int number = rows[0].token.request == request ? 0 : 1;  // requests are numbered as they begin
    for (int t = first; t < first + count; ++t)
      for (const std::int16_t e : chosen[request][std::size_t(t)])
        if (e >= 0) ++want[std::size_t(e)];
    ASSERT_EQ(rows_of(routing, 2, number, first, count), want) << first << " + " << count << " of " << request;
  }
}

// Running counts are kept at every so many tokens: a stretch that ends where they do, and begins where they begin.
TEST(RequestRouting, AStretchMayEndWithTheLastOfAsManyTokensAsCountsAreKeptFor) {
  std::vector<Row> rows;
  for (int i = 0; i < 1024; ++i) rows.push_back({{i, 0, i, -1, prefill, 0}, {std::int16_t(i % 4)}});
  const RequestRouting routing(trace_of("even.db", 4, rows));
  EXPECT_EQ(rows_of(routing, 2, 0, 0, 1024), (Rows{256, 256, 256, 256}));
  EXPECT_EQ(rows_of(routing, 2, 0, 1, 1023), (Rows{255, 256, 256, 256}));
}

// 12 bytes a token for its place, and in each of two layers 2 for each choice and a count of 4 for each expert now and
// then.
TEST(RequestRouting, ItsMemoryGrowsWithTokensLayersAndChoices) {
  const auto bytes = [](int tokens, int experts) {
    std::vector<Row> rows;
    for (int i = 0; i < tokens; ++i) rows.push_back({{i, 0, i, -1, prefill, 0}, {0, 1, 2}});
    return RequestRouting::bytes(Trace(trace_of("bytes.db", experts, rows)));
  };
  const double one = bytes(64, 4), more = bytes(64, 8);
  EXPECT_DOUBLE_EQ(bytes(128, 4), 2 * one);
  EXPECT_GT(one, 64 * (12 + 2 * 3 * 2));
  const double counts = (more - one) / 4;  // of one expert
  EXPECT_GT(counts, 0);
  EXPECT_DOUBLE_EQ(one, 64 * (12 + 2 * 3 * 2) + 4 * counts);
}
}  // namespace
}  // namespace moesim::routing
