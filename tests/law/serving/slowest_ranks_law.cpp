// Ranks that may be slowest in attention: found from their order of the step before, they are those that the rule says.
#include <gtest/gtest.h>

#include "core/random.h"
#include "serving/step/slowest_rank.h"
#include "support/rounds.h"

namespace moesim::serving {
namespace {
using Ranks = std::vector<compute::Batch>;

compute::Batch decoding(std::int64_t requests, std::int64_t keys, std::int64_t longest) {
  compute::Batch out;
  out.tokens = requests;
  out.decode = {.sequences = requests, .queries = requests, .keys = keys, .longest = longest};
  return out;
}

/// Rank by rank against all others.
std::vector<std::size_t> by_the_rule(const Ranks& ranks) {
  const auto covers = [&](std::size_t other, std::size_t r) {
    const compute::Batch &a = ranks[other], &b = ranks[r];
    if (other == r || a.prefill.queries > 0 || a.tokens != b.tokens || a.decode.keys < b.decode.keys ||
        a.decode.longest < b.decode.longest)
      return false;
    return a.decode.keys > b.decode.keys || other < r;  // of equal keys the first with the longest
  };
  std::vector<std::size_t> out;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    bool covered = false;
    for (std::size_t other = 0; other < ranks.size(); ++other) covered = covered || covers(other, r);
    if (ranks[r].tokens > 0 && (ranks[r].prefill.queries > 0 || !covered)) out.push_back(r);
  }
  return out;
}

TEST(SlowestRanks, FewChangesAndManyGiveWhatTheRuleSays) {
  Random random(1, "ranks");
  SlowestRanks remembers;
  std::vector<std::size_t> found;
  Ranks ranks;
  for (int step = 0; step < test::rounds(600); ++step) {
    const bool anew = step % 20 == 0;
    if (anew) ranks.assign(std::size_t(random.uniform() * 40) + 1, {});
    for (std::size_t r = 0; r < ranks.size(); ++r) {
      if (!anew && random.uniform() > 0.1) continue;
      const auto requests = std::int64_t(random.uniform() * 5);
      ranks[r] = requests == 0 ? compute::Batch{}
                               : decoding(requests, 10 + std::int64_t(random.uniform() * 30),
                                          1 + std::int64_t(random.uniform() * 10));
      if (requests > 0 && random.uniform() < 0.1) ranks[r].prefill.queries = 1;
    }
    remembers.find(ranks, false, found);
    EXPECT_EQ(found, by_the_rule(ranks)) << "step " << step;
  }
}
}  // namespace
}  // namespace moesim::serving
