// Prompts that GPUs share, where one link or arithmetic is all that takes time.
#include "served.h"
#include "support/pin.h"

namespace moesim::serving::context {
namespace {
/// One prompt at a time of a dense model with two layers: 8 KV heads of 128 in each, 8192 wide.
Served prompts(const std::string& gpu, const std::string& parallel, int tokens, const std::string& more = "") {
  return run(on_unit_gpus(
      "{extends: llama-2-70b, layers: 2, max_positions: 200000}", gpu, 4,
      fmt::format(
          "serving:\n  workload: {{kind: closed, clients: 1, limit: 4, input: {{kind: fixed, mean: {}}}, output: "
          "{{kind: fixed, mean: 1}}}}\n  front_end: {{}}\n  pools: [{{role: prefill, parallel: {{{}}}, overhead: 0 s, "
          "batcher: {{kind: chunked, max_tokens: {}}}{}}}]\n",
          tokens, parallel, tokens, more)));
}

// Of 1000 tokens' keys and values, 4096 B each in a layer, half come from the other of two GPUs at 1 MB/s, and three
// quarters from three others; in the end as much of what the head reads, 16384 B a token.
TEST(ContextFormula, NewKeysComeFromTheOtherParts) {
  const char* link = "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1 MB/s";
  const double all = 1000 * (2 * 4096.0 + 16384) / 1e6;
  test::pin(*prompts(link, "context: 2", 1000).results, "ttft_p50", "run", all / 2, 1e-6);
  test::pin(*prompts(link, "context: 4", 1000).results, "ttft_p50", "run", all * 3 / 4, 1e-6);
  const Served r = prompts(link, "context: 4", 1000);
  test::pin(*r.results, "limit_tensor", "pool:prefill", r.at("utilisation", "run"), 1e-6);
  // Every GPU's port, out and in, of four prompts.
  test::pin(*r.results, "link_bytes", "links:nvlink", 4 * 4 * 2 * 1e6 * all * 3 / 4, 1e-6);
}

// The prompt's pieces are padded to the longest: 1001 tokens are parts of 501 and 500, and come as two of 501.
TEST(ContextFormula, PartsAreFilledUpToTheFullest) {
  const char* link = "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1 MB/s";
  test::pin(*prompts(link, "context: 2", 1001).results, "ttft_p50", "run", 501 * (2 * 4096.0 + 16384) / 1e6, 1e-6);
}

// A token's products with 2 x (8192 x (8192 + 2 x 1024) + 8192 x 8192 + 3 x 8192 x 28672) weights, and 64 heads of 128
// for queries' and keys' products and as much for values', with half of 4096 others each; two FLOPs each.  The head is
// once for the prompt.
TEST(ContextFormula, ArithmeticIsSharedButForTheHead) {
  const char* compute = "bf16: 1 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1000000000 GB/s";
  const double width = 8192, weights = width * (width + 2048) + width * width + 3 * width * 28672;
  const double layers = 2 * 2 * 4096 * (weights + 2 * width * 2048), head = 2 * width * 32000;
  for (const int parts : {1, 2, 4})
    test::pin(*prompts(compute, fmt::format("context: {}", parts), 4096).results, "ttft_p50", "run",
              (layers / parts + head) / 1e12, 0.01);
}

std::int64_t bytes_of(const Served& r, const std::string& part) {
  results::Statement s =
      r.results->database().prepare("SELECT bytes FROM memory WHERE scope = 'pool:prefill' AND part = ?");
  EXPECT_TRUE(s.bind(0, part).step()) << part;
  return s.integer(0);
}

// Weights and KV cache are whole on each GPU; hidden states, in and out in BF16, are those of a part.  Of 1000 tokens
// 16384 B each are gathered for the head.
TEST(ContextFormula, MemoryOfAPartsGpu) {
  const char* fast = "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1000000000 GB/s";
  const Served one = prompts(fast, "context: 1", 1000), four = prompts(fast, "context: 4", 1000);
  EXPECT_EQ(bytes_of(one, "weights"), bytes_of(four, "weights"));
  EXPECT_EQ(bytes_of(one, "buffers: hidden states"), 1000 * 2 * 2 * 8192);
  EXPECT_EQ(bytes_of(four, "buffers: hidden states"), 250 * 2 * 2 * 8192);
  EXPECT_EQ(bytes_of(four, "buffers: gathered tokens"), 1000 * 2 * 8192);
}
}  // namespace
}  // namespace moesim::serving::context
