// Tokens drawn from counts: the counts are kept, no token has an expert twice, and what is together is so by chance.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "core/random.h"
#include "routing/importers/import.h"
#include "routing/trace.h"
#include "support/temporary_folder.h"

namespace moesim::routing {
namespace {
using Counts = std::vector<std::vector<std::int64_t>>;  // (layers, experts)
using Tokens = std::vector<std::vector<std::int16_t>>;  // (layers), each (tokens, top_k)

class CountedTokens : public ::testing::Test {
 protected:
  TemporaryFolder folder;
  Tokens dealt(const Counts& counts, int top_k, std::uint64_t seed) const {
    ImportOptions options;
    options.output = folder.file("out.db");
    options.top_k = top_k;
    options.seed = seed;
    std::filesystem::remove(options.output);
    import_trace({folder.write("counts.json", fmt::format("[[{}]]", fmt::join(lines(counts), "],[")))}, options);
    const Trace trace(options.output);
    EXPECT_TRUE(trace.header().sampled);
    Tokens out(counts.size());
    for (std::size_t layer = 0; layer < counts.size(); ++layer)
      trace.read_experts(int(layer), 0, trace.tokens(), out[layer]);
    return out;
  }
  static std::vector<std::string> lines(const Counts& counts) {
    std::vector<std::string> out;
    for (const auto& row : counts) out.push_back(fmt::format("{}", fmt::join(row, ",")));
    return out;
  }
};

TEST_F(CountedTokens, KeepTheCountsAndHaveNoExpertTwice) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed, "counts");
    const int k = 1 + int(random.below(8)), experts = k + int(random.below(60));
    const std::int64_t tokens = 1 + std::int64_t(random.below(300));
    Counts counts(2, std::vector<std::int64_t>(std::size_t(experts), 0));
    // As many choices as all tokens have in the first layer, fewer in the second, as where tokens were dropped.
    for (std::size_t layer = 0; layer < 2; ++layer)
      for (std::int64_t left = tokens * k - std::int64_t(layer) * (tokens / 3); left > 0;) {
        std::int64_t& count = counts[layer][std::size_t(std::pow(random.uniform(), 2) * experts)];
        if (count < tokens)
          ++count, --left;
        else
          ++*std::ranges::min_element(counts[layer]), --left;
      }
    const Tokens ids = dealt(counts, k, seed);
    for (std::size_t layer = 0; layer < 2; ++layer) {
      ASSERT_EQ(ids[layer].size(), std::size_t(tokens * k));
      std::vector<std::int64_t> seen(std::size_t(experts), 0);
      for (std::size_t t = 0; t < std::size_t(tokens); ++t) {
        std::set<int> own;
        for (std::size_t j = 0; j < std::size_t(k); ++j) {
          const int e = ids[layer][t * std::size_t(k) + j];
          if (e < 0) continue;
          ++seen[std::size_t(e)];
          EXPECT_TRUE(own.insert(e).second) << "token " << t << " has expert " << e << " twice";
        }
      }
      EXPECT_EQ(seen, counts[layer]);
    }
    EXPECT_EQ(dealt(counts, k, seed), ids) << "the same seed, the same tokens";
  }
}

TEST_F(CountedTokens, HavePairsOfExpertsAsOftenAsChanceMakesThem) {
  // Flat counts: all 2,016 pairs of 64 experts are equally likely.  8,000 tokens have 28 pairs each, 111 of each kind
  // on average; the sum of squared deviations over that is about the number of pairs.
  constexpr std::size_t kExperts = 64, kTokens = 8000, k = 8;
  const std::vector<std::int16_t> ids = dealt({std::vector<std::int64_t>(kExperts, kTokens * k / kExperts)}, k, 3)[0];
  std::map<std::pair<int, int>, double> together;
  std::set<std::vector<std::int16_t>> sets;
  for (std::size_t t = 0; t < kTokens; ++t) {
    std::vector<std::int16_t> own(ids.begin() + std::ptrdiff_t(t * k), ids.begin() + std::ptrdiff_t((t + 1) * k));
    std::ranges::sort(own);
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = i + 1; j < k; ++j) together[{own[i], own[j]}] += 1;
    sets.insert(own);
  }
  EXPECT_GE(sets.size(), kTokens - 30) << "of 4.4 billion sets hardly one comes twice";
  const double pairs = kExperts * (kExperts - 1) / 2.0, expected = kTokens * k * (k - 1) / 2.0 / pairs;
  double squares = 0;
  for (int e = 0; e < int(kExperts); ++e)
    for (int f = e + 1; f < int(kExperts); ++f) squares += std::pow(together[{e, f}] - expected, 2) / expected;
  // Choices of one token exclude each other, so a little less than independent pairs would have; 5 standard deviations.
  EXPECT_LT(squares / pairs, 1 + 5 * std::sqrt(2 / pairs));
  EXPECT_GT(squares / pairs, 0.7);
}

TEST_F(CountedTokens, AreEveryPossibleDealEquallyOften) {
  // Experts 0 to 3 once each, two tokens of two: expert 0 is with 1, 2 or 3, in a third of the layers each.
  constexpr std::size_t kLayers = 1200;
  std::vector<int> with(4, 0);
  int first = 0;
  for (const auto& ids : dealt(Counts(kLayers, {1, 1, 1, 1}), 2, 5)) {
    const auto at = std::size_t(std::ranges::find(ids, 0) - ids.begin());
    ASSERT_LT(at, 4u);
    ++with[std::size_t(ids[at ^ 1])];
    first += at < 2;
  }
  for (int e = 1; e < 4; ++e) EXPECT_NEAR(with[std::size_t(e)], 400, 80) << "5 standard deviations of 16";
  EXPECT_NEAR(first, 600, 87);
}

TEST_F(CountedTokens, OfAnExpertThatAllTokensChooseLeaveTheOthersMixed) {
  // Expert 0 is in every token; the others pair by chance with nothing, for the second choice is theirs alone.
  const std::vector<std::int16_t> ids = dealt({{400, 100, 100, 100, 100}}, 2, 7)[0];
  for (std::size_t t = 0; t < 400; ++t) EXPECT_EQ((ids[2 * t] == 0) + (ids[2 * t + 1] == 0), 1);
}
}  // namespace
}  // namespace moesim::routing
