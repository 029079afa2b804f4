// Room that a step's rows take on their way to experts and back, 8 KiB each way: what a GPU sends, and what reaches the
// fullest.
#include "served.h"

namespace moesim::serving {
namespace {
constexpr std::int64_t kThereAndBack = 2 * 4096 * 2;  // of BF16

/// One layer of Mixtral's size with one expert a token, on two GPUs that call NCCL for every row by itself.
std::int64_t rows_kept(const std::string& parallel, int tokens, const std::string& routing) {
  const Served r = run(on_unit_gpus(
      "{extends: mixtral-8x7b, layers: 1, moe: {top_k: 1}}", kBoundless, 2,
      fmt::format("routing: {}\nserving:\n  workload: {{kind: closed, clients: 1, limit: 1, input: {{kind: fixed, "
                  "mean: 10}}, output: {{kind: fixed, mean: 2}}}}\n  pools: [{{role: prefill, parallel: {{{}}}, "
                  "exchange: all_to_all, batcher: "
                  "{{kind: chunked, max_tokens: {}, max_requests: 1}}}}]\n",
                  routing, parallel, tokens)));
  results::Statement s = r.results->database().prepare(
      "SELECT bytes FROM memory WHERE scope = 'pool:prefill' AND part = 'buffers: communication buffers'");
  EXPECT_TRUE(s.step());
  EXPECT_EQ(s.integer(0) % kThereAndBack, 0);
  return s.integer(0) / kThereAndBack;
}

TEST(StepBuffers, OfRowsSentAndOfThoseThatReachTheFullestGpu) {
  EXPECT_EQ(rows_kept("data: 2", 100, "balanced"), 100 + 100);
  EXPECT_EQ(rows_kept("data: 2", 100, "{kind: hot_rank, rank: 0, factor: 1.6}"), 100 + 160);
}

TEST(StepBuffers, TensorRanksShareTheTokensRoundedUp) {
  EXPECT_EQ(rows_kept("tensor: 2", 4, "balanced"), 2 + 2);
  EXPECT_EQ(rows_kept("tensor: 2", 3, "balanced"), 2 + 2);
  EXPECT_EQ(rows_kept("tensor: 2", 5, "balanced"), 3 + 3);
}
}  // namespace
}  // namespace moesim::serving
