// The tables of `moesim explain`, by what their columns must have to do with each other.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <sstream>

#include "support/command.h"
#include "support/text.h"

namespace moesim::cli {
namespace {
std::string text_of(std::vector<std::string> words) {
  words.insert(words.begin(), {"explain", "--model", "deepseek-v2-lite"});
  return run_command(words);
}
using test::has;

/// The number that ends under the last letter of this column's head.
std::optional<double> under(const std::string& head, const std::string& column, const std::string& line) {
  const std::size_t end = head.find(" " + column + " ") + column.size() + 1;
  if (line.size() < end || line[end - 1] == ' ') return std::nullopt;
  const std::size_t begin = line.find_last_of(' ', end - 1) + 1;
  return std::stod(line.substr(begin, end - begin));
}

// A million bytes in a microsecond are a terabyte a second, a thousand million operations a thousand TFLOP/s.
TEST(ExplainText, RatesAreBytesAndOperationsOverTheTime) {
  std::istringstream lines(text_of({"--tokens", "512"}));
  std::string head;
  int bytes = 0, products = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("pass ")) head = line;
    if (!line.starts_with("forward ")) continue;
    const auto us = under(head, "us", line), mb = under(head, "MB", line), gflop = under(head, "GFLOP", line);
    ASSERT_TRUE(us) << line;
    bytes += mb.has_value(), products += gflop.has_value();
    if (mb) {
      EXPECT_NEAR(under(head, "TB/s", line).value_or(-1), *mb / *us, 0.01) << line;
    }
    if (gflop) {
      EXPECT_NEAR(under(head, "TFLOP/s", line).value_or(-1), 1000 * *gflop / *us, 1.5) << line;
    }
  }
  EXPECT_GE(bytes, 15);
  EXPECT_GE(products, 8);
}

TEST(ExplainText, TokensComeFromEachGpuThatSharesTheExperts) {
  EXPECT_TRUE(has(text_of({"--tokens", "512", "--expert-parallel", "2"}),
                  "experts: 32 here, 3072 rows spread evenly: 512 tokens x top-6 from each of 2 GPUs\n"));
  const std::string alone = text_of({"--tokens", "512"});
  EXPECT_TRUE(has(alone, "experts: 64 here, 3072 rows spread evenly: 512 tokens x top-6\n")) << alone;
  EXPECT_FALSE(has(alone, "beside exchanges")) << "there is none";
}

TEST(ExplainText, OfASharedPromptAPart) {
  const std::string text = run_command({"explain", "serve-deepseek-v3.2-context", "--tokens", "8192"});
  EXPECT_TRUE(has(text, "tokens: 1 sequence of 8192 tokens, in 8 parts: 1024 here;")) << text;
  EXPECT_TRUE(has(text, "8192 rows spread evenly: 1024 tokens x top-8 from each of 8 GPUs\n")) << text;
}

TEST(ExplainText, APipelineHasALineOfMemoryForItsStagesAndOneStageHasNone) {
  EXPECT_TRUE(has(run_command({"explain", "train-deepseek-v3"}), "\nmemory by stage "));
  const std::string one = run_command({"explain", "train-deepseek-v3", "--set", "training.parallel={expert: 8}",
                                       "--set", "training.schedule=1f1b", "--set", "training.batch=16384", "--set",
                                       "training.layers=[]", "--set", "training.overlap=none"});
  EXPECT_TRUE(has(one, "\nmemory of ")) << one;
  EXPECT_FALSE(has(one, "memory by stage")) << one;
}

TEST(ExplainText, TrainingListsWhatItKeepsOfAPass) {
  const std::string text = text_of({"--tokens", "512", "--phase", "training"});
  const std::size_t at = text.find("\nactivations ");
  ASSERT_NE(at, std::string::npos) << text;
  EXPECT_EQ(text.substr(text.find('\n', at + 1) + 1, 2), "  ") << "its parts follow, set in";
}
}  // namespace
}  // namespace moesim::cli
