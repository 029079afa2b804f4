// The page of a trace whose loads can be counted by hand.
#include <gtest/gtest.h>

#include <algorithm>

#include "pages/studies/studies.h"
#include "routing/trace.h"
#include "support/temporary_folder.h"

namespace moesim::pages {
namespace {
/// Two layers of four experts, top-1, six tokens: four of prose, then two of code.
/// Layer 3: prose takes 3 3 3 0, code 1 2; layer 5: all take 2.
std::string six_tokens(const TemporaryFolder& folder) {
  routing::TraceHeader header;
  header.source = "a test";
  header.layers = {3, 5};
  header.experts = 4, header.top_k = 1;
  header.domains = {"prose", "code"};
  std::vector<routing::TraceToken> tokens;
  for (int t = 0; t < 6; ++t)
    tokens.push_back({t / 3, 0, t, t, routing::TracePhase::prefill, std::uint8_t(t < 4 ? 0 : 1)});
  routing::TraceWriter writer(folder.file("six.trace"), header);
  const std::vector<std::int16_t> first = {3, 3, 3, 2, 2, 2}, second = {0, 1, 2, 2, 2, 2};
  writer.add(std::span(tokens).first(3), first);
  writer.add(std::span(tokens).last(3), second);
  writer.finish();
  return folder.file("six.trace");
}

class TracePage : public testing::Test {
 protected:
  const Section& section(const std::string& id) const {
    const auto found = std::ranges::find(page_.sections, id, &Section::id);
    if (found == page_.sections.end()) throw std::logic_error("no section " + id);
    return *found;
  }
  /// Cells of a panel's table, a row each, joined by "|".
  static std::vector<std::string> rows(const Panel& panel) {
    std::vector<std::string> out;
    for (const auto& row : panel.figure.table.rows) {
      std::string& line = out.emplace_back();
      for (const Cell& c : row) line += (line.empty() ? "" : "|") + c.text;
    }
    return out;
  }
  TemporaryFolder folder_;
  Facts facts_;
  Page page_ = trace_page(six_tokens(folder_), facts_);
};

// Three of six tokens on one of four experts are twice the mean; six of six are four times.
TEST_F(TracePage, LoadsAreOverTheirLayersMean) {
  EXPECT_EQ(rows(section("map").panels[0]), (std::vector<std::string>{"3|0.6667|0.6667|0.6667|2", "5|0|0|4|0"}));
  EXPECT_NE(section("map").answer.text().find("In layer 5 one expert takes"), std::string::npos);
  EXPECT_NE(section("map").answer.text().find("4.0 x"), std::string::npos);
}

// Something chose every expert of the first layer; nothing chose three of the second.
TEST_F(TracePage, ExpertsThatNothingChoseHaveALineOfTheirOwn) {
  const Section& layers = section("layers");
  ASSERT_EQ(layers.panels.size(), 2U);
  EXPECT_EQ(rows(layers.panels[0]), (std::vector<std::string>{"3|2", "5|4"}));
  EXPECT_EQ(rows(layers.panels[1]), (std::vector<std::string>{"3|0", "5|3"}));
  EXPECT_NE(layers.answer.text().find("3.0 x"), std::string::npos) << "the mean of 2 and 4";
}

// Prose alone: three of four on one expert; code: one each on two.
TEST_F(TracePage, KindsOfTextAreCountedApartAndWhole) {
  const Section& kinds = section("kinds");
  ASSERT_EQ(kinds.panels.size(), 2U);
  EXPECT_EQ(kinds.columns, 2);
  EXPECT_EQ(rows(kinds.panels[0]), (std::vector<std::string>{"3|1|0|0|3", "5|0|0|4|0"}));
  EXPECT_EQ(rows(kinds.panels[1]), (std::vector<std::string>{"3|0|2|2|0", "5|0|0|4|0"}));
  EXPECT_EQ(kinds.note.find("runs of tokens spread evenly"), std::string::npos) << "none was sampled";
}

// Over both layers the experts in order have 2/3, 2/3, 2/3 and 2 + 4 of 8: the busiest quarter has three quarters, of
// which its last two fifths are the busiest tenth of all.
TEST_F(TracePage, SharesAreOfExpertsInOrderOfTheirLoad) {
  EXPECT_NE(section("lorenz").answer.text().find("30 % in all"), std::string::npos) << section("lorenz").answer.text();
}

// Four GPUs of one expert each on one node: a token visits one of each.
TEST_F(TracePage, FanOutAndBalanceHaveAPointForEveryLayer) {
  const Section& fan_out = section("fan-out");
  EXPECT_EQ(fan_out.columns, 2);
  ASSERT_EQ(fan_out.panels.size(), 2U);
  EXPECT_EQ(rows(fan_out.panels[0]), (std::vector<std::string>{"3|1|1", "5|1|1"}));
  EXPECT_EQ(rows(fan_out.panels[1]), (std::vector<std::string>{"3|0.500", "5|0.250"}));
  EXPECT_NE(fan_out.answer.text().find("On 4 GPUs"), std::string::npos);
}

// As the token before: two of five in the first layer, all in the second.
TEST_F(TracePage, AffinityStandsBesideRepetitionAndEndsBeforeTheLastLayer) {
  const Section& affinity = section("affinity");
  EXPECT_EQ(affinity.columns, 2);
  ASSERT_EQ(affinity.panels.size(), 2U);
  EXPECT_EQ(rows(affinity.panels[0]).size(), 1U);
  EXPECT_EQ(rows(affinity.panels[1]), (std::vector<std::string>{"3|0.400", "5|1"}));
}
}  // namespace
}  // namespace moesim::pages
