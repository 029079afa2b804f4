// What people and programs read of an evaluation, of figures that are easy to tell apart.
#include <gtest/gtest.h>

#include "formats/json.h"
#include "recording/evaluate.h"

namespace moesim::recording {
namespace {
/// Runs of spaces as one: how wide columns are does not matter here.
std::string squeezed(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' || !out.ends_with(' ')) out += c;
  return out;
}
bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + squeezed(text)).find("\n" + line + "\n") != std::string::npos;
}

/// Eight tokens of two texts in FP8, held against FP32: two drafts, two MoE layers.
Evaluation of_two_precisions() {
  Losses fp8, fp32;
  fp8.precision = numerics::Precision::fp8;
  fp8.predicted = 6, fp8.next_token = 2.5, fp8.total = 3.25;
  fp8.drafts = {{4, 3, 0.75}, {2, 3.5, 0.5}};
  fp8.balance = {{1, 1.5, 1.25, 2, 0}, {2, 2.5, 1.75, 4, 0}};
  fp32 = fp8;
  fp32.precision = numerics::Precision::fp32;
  fp32.next_token = 2, fp32.total = 2.5;
  fp32.drafts = {{4, 2.5, 0.875}, {2, 3.25, 0.625}};
  Evaluation e;
  e.model = "small", e.tokens = 8, e.requests = 2, e.losses = {fp8, fp32};
  e.change = PrecisionChange{{{1, 2, 1}, {2, 4, 0}}, 5, 0.25, 0.125, 6};
  return e;
}

TEST(EvaluationText, HasALineForEachFigureWithBothAndTheirDifference) {
  const std::string text = evaluation_text(of_two_precisions());
  EXPECT_TRUE(text.starts_with("small: 8 tokens of 2 texts\n\n")) << text;
  for (const char* line : {
           "next token 2.50000 2.00000 +0.50000 nats a token",
           "prediction 2 further on 3.00000 2.50000 +0.50000 nats a token",
           "draft 1 accepted 0.75000 0.87500 -0.12500 of drafts",
           "prediction 3 further on 3.50000 3.25000 +0.25000 nats a token",
           "draft 2 accepted 0.50000 0.62500 -0.12500 of drafts, those before it accepted",
           "total, predictions weigh 0.3 3.25000 2.50000 +0.75000 nats a token",
           "balance of each text 2.00000 2.00000 +0.00000 mean of layers, 1 is even",
           "balance of all texts 1.50000 1.50000 +0.00000 mean of layers, 1 is even",
           "hottest expert over the mean 3.00000 3.00000 +0.00000 mean of layers, 1 is even",
       })
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
}

TEST(EvaluationText, SpeaksOfDroppedChoicesOnlyWhereThereAreAny) {
  Evaluation e = of_two_precisions();
  EXPECT_EQ(evaluation_text(e).find("choices dropped"), std::string::npos);
  e.losses[1].balance[1].dropped = 0.5;
  EXPECT_TRUE(has_line(evaluation_text(e), "choices dropped 0.00000 0.25000 -0.25000 of all choices"));
}

// Of eight tokens two and four have other experts, one another order; of all sixteen pairs six and one.
TEST(EvaluationText, SaysWhatShareOfTheChoicesChanges) {
  const std::string text = evaluation_text(of_two_precisions());
  for (const char* line : {
           "choices that change from fp32 to fp8",
           " 1 2 25.00 % 1 12.50 %",
           " 2 4 50.00 % 0 0.00 %",
           " all 6 37.50 % 1 6.25 %",
           "5 of 8 tokens (62.50 %) meet another expert somewhere",
           "logits: largest change 0.25, mean 0.125; the likeliest next token stays for 6 of 8 (75.00 %)",
       })
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
}

TEST(EvaluationText, AModelWithoutExpertsHasNoChoicesThatChange) {
  Evaluation e = of_two_precisions();
  e.change->layers.clear();
  EXPECT_EQ(evaluation_text(e).find("choices that change"), std::string::npos);
}

// A share of one is the whole, of nothing none.
TEST(EvaluationText, SharesOfOneTokenAndOfNone) {
  Evaluation e = of_two_precisions();
  e.tokens = 1, e.change->same_best = 1;
  EXPECT_NE(evaluation_text(e).find("stays for 1 of 1 (100.00 %)"), std::string::npos);
  e.tokens = 0, e.change->same_best = 0;
  EXPECT_NE(evaluation_text(e).find("stays for 0 of 0 (0.00 %)"), std::string::npos);
}

TEST(EvaluationJson, IsIndentedByTwoAndHasTheSharesOfTheText) {
  const std::string text = evaluation_json(of_two_precisions());
  EXPECT_NE(text.find("\n  \"losses\": ["), std::string::npos) << text;
  const formats::Json json = formats::Json::parse(text);
  EXPECT_EQ(json.at("tokens"), 8);
  EXPECT_EQ(json.at("texts"), 2);
  EXPECT_EQ(json.at("losses").at(1).at("drafts").at(1).at("loss"), 3.25);
  EXPECT_EQ(json.at("losses").at(0).at("balance").at(1).at("hottest"), 4);
  const formats::Json& change = json.at("change");
  EXPECT_EQ(change.at("from"), "fp32");
  EXPECT_EQ(change.at("to"), "fp8");
  EXPECT_EQ(change.at("other_experts_share"), 0.375);
  EXPECT_EQ(change.at("other_order_share"), 0.0625);
  EXPECT_EQ(change.at("tokens_touched_share"), 0.625);
  EXPECT_EQ(change.at("same_best_share"), 0.75);
}

TEST(AcceptanceNote, IsOfTheFirstLosses) {
  EXPECT_EQ(acceptance_note(of_two_precisions()),
            "the multi-token-prediction drafts agree with the main head: speculation acceptance [0.7500, 0.5000]");
  EXPECT_EQ(acceptance_note({}), "");
}
}  // namespace
}  // namespace moesim::recording
