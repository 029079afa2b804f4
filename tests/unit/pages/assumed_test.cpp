// What a page says of how tokens were routed, where the scenario's own text does not.
#include <gtest/gtest.h>

#include "pages/studies/common.h"

namespace moesim::pages {
namespace {
std::vector<std::string> assumed_with(const std::map<std::string, std::string, std::less<>>& settings) {
  Facts f;
  f.settings = settings;
  Page page;
  add_assumed(page, f);
  std::vector<std::string> out;
  for (const Html& a : page.assumed) out.push_back(a.text());
  return out;
}

TEST(Assumed, RoutingIsSaidAsAskedWithItsOwnKeys) {
  EXPECT_EQ(assumed_with({{"routing.kind", "hot_rank"},
                          {"routing.factor", "3"},
                          {"routing.rank", "0"},
                          {"routing.record.limit", "20"},
                          {"serving.seed", "7"},
                          {"model", "mixtral-8x7b"}}),
            (std::vector<std::string>{"<b>routing</b>: hot rank, factor 3 <span class=\"dim\">(as asked)</span>"}));
}

TEST(Assumed, WithoutRoutingNothingIsSaidOfIt) { EXPECT_TRUE(assumed_with({{"model", "llama-2-7b"}}).empty()); }

// 39 letters are shown, 40 are not.
TEST(Assumed, LongValuesAreLeftOut) {
  const std::string fits(39, 'a'), longer(40, 'b');
  EXPECT_EQ(
      assumed_with({{"routing.kind", "trace"}, {"routing.file", fits}, {"routing.other", longer}}),
      (std::vector<std::string>{"<b>routing</b>: trace, file " + fits + " <span class=\"dim\">(as asked)</span>"}));
}
}  // namespace
}  // namespace moesim::pages
