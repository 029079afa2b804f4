// Requests that are longer than a model's context: of no candidate's load.
#include <gtest/gtest.h>

#include "sizing/answer.h"
#include "sizing/verdict.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {
namespace {
/// Every eighth prompt is longer than the 4,096 tokens of the model's context.
Plan read_with(const TemporaryFolder& folder, const std::string& targets) {
  std::string trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int k = 0; k < 400; ++k)
    trace += fmt::format("2024-05-10 00:00:{:02}.{:03}000,{},40\n", k / 10, k % 10 * 100, k % 8 == 5 ? 4057 : 500);
  put_file(folder.file("trace.csv"), trace);
  const std::string file = folder.file("plan.yaml");
  put_file(file, fmt::format("model: llama-2-7b\nsize:\n  workload: {{kind: azure, file: trace.csv}}\n  targets: {}\n"
                             "  candidates: {{nodes: [{{node: hgx-h100, nodes: 2}}]}}\n  search: {{seeds: 1}}\n",
                             targets));
  return read_plan(file, {}, {});
}
Verdict judged(const Plan& plan, int instances) {
  const Deployment d{
      &plan.nodes[0], "sglang", {{.role = serving::Role::both, .tensor = 2, .batch = 64, .tokens = 2048}}, {instances}};
  return judge_once(plan, d, {.end_to_end = 2});
}

TEST(BeyondContext, IsAShareOfTheRequestsAndNoPartOfTheirLengths) {
  const TemporaryFolder folder;
  const Load load = read_with(folder, "{ttft_p90: 1 s}").load;
  EXPECT_NEAR(load.beyond, 0.125, 1e-12);
  EXPECT_EQ(load.longest, 540);
  EXPECT_EQ(load.longest_input, 500);
  EXPECT_EQ(load.input, 500);
  EXPECT_NEAR(load.rate, 350 / 39.9, 0.1);
}

TEST(BeyondContext, IsSaidInOneSentence) {
  const TemporaryFolder folder;
  EXPECT_EQ(beyond_text(read_with(folder, "{ttft_p90: 1 s}")),
            "12 % of the requests are longer than llama-2-7b's context of 4096 tokens: engines refuse them, on any "
            "hardware; they count as no part of the load that is judged");
  const std::string text = beyond_text(read_with(folder, "{share: 0.8, ttft: 1 s}"));
  EXPECT_TRUE(text.ends_with("they count as missed in `share`")) << text;
  EXPECT_NE(answer_text(read_with(folder, "{share: 0.8, ttft: 1 s}"), {}, {}).find(text), std::string::npos);
}

// The same verdict whether one instance stands for others or not.
TEST(BeyondContext, DecidesAboutNoCandidate) {  // instances share the requests out in turn
  const TemporaryFolder folder;
  for (const int instances : {1, 3, 5}) {
    const Verdict v = judged(read_with(folder, "{ttft_p90: 1 s, tpot_p90: 60 ms}"), instances);
    EXPECT_EQ(v.figures.rejected, 0) << instances;
    EXPECT_TRUE(v.met) << instances;
    const Verdict shares = judged(read_with(folder, "{share: 0.8, ttft: 1 s}"), instances);
    EXPECT_NEAR(shares.figures.share, 0.875, 0.06) << instances;
    EXPECT_TRUE(shares.met) << instances;
  }
}
}  // namespace
}  // namespace moesim::sizing
