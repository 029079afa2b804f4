// Layers that keep a state: kernels on unit hardware, and a layer's counts, worked out in the head.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/kernels/equations.h"
#include "compute/layers/memory.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "support/refusal.h"

namespace moesim::compute::recurrent {
namespace {
constexpr Machine kTwoSms{.sms = 2, .hbm = 1, .hbm_of_gpu = 1};
constexpr Machine kFastMemory{.sms = 2, .hbm = 1e30, .hbm_of_gpu = 1e30};

TEST(Recurrent, AConvolutionMovesItsTokensAndInDecodingItsState) {
  StateEquation e;
  e.launch = 2_s;
  // 3 channels of 5 tokens in and out, 2 bytes each: 60 B at 1 B/s.
  EXPECT_DOUBLE_EQ(convolution_seconds({3, 4, 2, 5, false}, e, kTwoSms), 62);
  // 2 tokens: 24 B; and 3 kept inputs of 2 sequences in and out: 72 B.
  EXPECT_DOUBLE_EQ(convolution_seconds({3, 4, 2, 2, true}, e, kTwoSms), 98);
}

TEST(Recurrent, DecodingReadsAndWritesStates) {
  // One head of 2 x 2: a state of 16 B; a token's query, key, value and output 16 B, its two gates 8 B.
  StateScan s{.key_heads = 1, .value_heads = 1, .key_dim = 2, .value_dim = 2};
  s.sequences = s.tokens = 3, s.longest = 1, s.decode = true;
  EXPECT_EQ(bytes_of(s), Bytes{3 * (16 + 16 + 24)});
  StateEquation e;
  e.launch = 2_s;
  EXPECT_DOUBLE_EQ(recurrence_seconds(s, e, kTwoSms), 2 + 168);
  s.tokens = 6;  // a draft each: a state is written for every token
  EXPECT_EQ(bytes_of(s), Bytes{3 * 16 + 6 * (16 + 24)});
}

TEST(Recurrent, OperationsByTokensAndByChunks) {
  StateScan s{.key_heads = 1, .value_heads = 2, .key_dim = 2, .value_dim = 3};
  s.sequences = 1, s.tokens = 10, s.longest = 10;
  EXPECT_EQ(flops_of(s), 10 * 2 * (6 * 6 + 64 * (12 + 12)));
  s.backward = true;
  EXPECT_EQ(flops_of(s), 3 * 10 * 2 * (6 * 6 + 64 * (12 + 12)));
  s.backward = false, s.decode = true;
  EXPECT_EQ(flops_of(s), 10 * 2 * 7 * 6);
  StateScan qwen{.key_heads = 16, .value_heads = 64, .key_dim = 128, .value_dim = 128};
  qwen.sequences = qwen.tokens = qwen.longest = 1;
  EXPECT_EQ(flops_of(qwen) / 64, 180'224);  // 180 k a token and value head
}

TEST(Recurrent, BlocksOfHeadsComeInWaves) {
  ScanEquation e;
  e.launch = 2_s, e.start = 10_s, e.step = 1_s;
  // Three heads on two SMs: two waves, each 10 s and two chunks.
  StateScan s{.key_heads = 1, .value_heads = 1, .key_dim = 2, .value_dim = 2};
  s.sequences = 3, s.tokens = 3 * 65, s.longest = 65;
  EXPECT_DOUBLE_EQ(scan_seconds(s, e, kFastMemory), 2 + 2 * (10 + 2));
  s.sequences = 2, s.tokens = 2 * 65;
  EXPECT_DOUBLE_EQ(scan_seconds(s, e, kFastMemory), 2 + 10 + 2);
}

TEST(Recurrent, OneSequenceIsAsSlowOnEveryGpu) {
  ScanEquation e;
  e.step = 1_s;
  StateScan s{.key_heads = 1, .value_heads = 2, .key_dim = 2, .value_dim = 2};
  s.sequences = 1, s.tokens = s.longest = 640;
  Machine large = kFastMemory;
  large.sms = 1000;
  EXPECT_DOUBLE_EQ(scan_seconds(s, e, kFastMemory), 10);
  EXPECT_DOUBLE_EQ(scan_seconds(s, e, large), 10);
}

TEST(Recurrent, AChainComputesWithinAllChunksAtOnce) {
  ScanEquation e;
  e.chained = true, e.overlap = 1;
  e.launch = 2_s, e.fill = 6_s, e.step = 3_s, e.chunk = 8_s;
  StateScan s{.key_heads = 1, .value_heads = 1, .key_dim = 2, .value_dim = 2};
  s.sequences = 1, s.tokens = s.longest = 128;
  // Two chunks: 3 s from each to the next, and 8 s each on one of two SMs.
  EXPECT_DOUBLE_EQ(scan_seconds(s, e, kFastMemory), 2 + 6 + 2 * 3 + 2 * 8 / 2.0);
  s.tokens = s.longest = 16;  // a quarter of a chunk fills a quarter of it
  EXPECT_DOUBLE_EQ(scan_seconds(s, e, kFastMemory), 2 + 1.5 + 3 + 4);
  e.between = 5;  // bytes a token and head: 80 B, beside 16 x (16 + 8) and the state's 16
  EXPECT_DOUBLE_EQ(scan_seconds(s, e, kTwoSms), 2 + 1.5 + 3 + 4 + 80 + 384 + 16);
  s.backward = true;  // each of three scans stores what stands between chunks, and its gradient
  const double stored = scan_seconds(s, e, kTwoSms);
  e.between = 0;
  EXPECT_DOUBLE_EQ(stored - scan_seconds(s, e, kTwoSms), 3 * 2 * 80);
}

// Qwen3-Next: 36 of 48 layers keep 32 matrices of 128 x 128 in FP32 and 3 inputs of 8192 channels in BF16.
constexpr std::int64_t kNextState = 36 * (32 * 128 * 128 * 4 + 3 * 8192 * 2);

TEST(Recurrent, ARequestsStateDoesNotGrow) {
  const spec::Model next = spec::load_model("qwen3-next-80b-a3b");
  EXPECT_EQ(spec::state_bytes(next), Bytes{kNextState});
  // 12 layers of 2 KV heads of 256: 24 kB a token.
  EXPECT_EQ(spec::cache_bytes_per_token(next, spec::CacheFormat::bf16), Bytes{12 * 2 * 2 * 256 * 2});
  const Bytes shorter = spec::cache_bytes(next, 1000, spec::CacheFormat::bf16),
              longer = spec::cache_bytes(next, 2000, spec::CacheFormat::bf16);
  EXPECT_EQ(shorter, Bytes{kNextState + 1000 * 24576});
  EXPECT_EQ(longer - shorter, Bytes{1000 * 24576});
}

TEST(Recurrent, TensorParallelGpusShareTheStatesHeads) {
  const spec::Model next = spec::load_model("qwen3-next-80b-a3b");
  HeldLayers held;
  for (int layer = 0; layer < next.layers; ++layer) held.layers.push_back(layer);
  for (const int tensor : {1, 2, 4, 8, 16}) {
    LayerOptions options;
    options.tensor = tensor;
    EXPECT_EQ(state_bytes_per_request(next, held, options), Bytes{kNextState / tensor});
  }
  LayerOptions options;
  options.tensor = 32;
  EXPECT_EQ(test::refusal_of([&] { (void)state_bytes_per_request(next, held, options); }),
            "16 key heads of gated DeltaNet cannot be shared by 32 tensor-parallel GPUs");
}

TEST(Recurrent, MemoryHoldsAStateForEachSequence) {
  const spec::Model next = spec::load_model("qwen3-next-80b-a3b");
  HeldLayers held;
  for (int layer = 0; layer < next.layers; ++layer) held.layers.push_back(layer);
  Batch batch;
  add_decode(batch, next, 1000, 1, 8);
  const MemoryUse use = serving_memory(next, held, cached_tokens(next, 8, 1001), batch, 0, {}, {});
  const auto at = std::ranges::find(use.items, "states", &MemoryItem::name);
  ASSERT_NE(at, use.items.end());
  EXPECT_EQ(at->bytes, Bytes{8 * kNextState});
}

/// Of one layer's attention.
std::vector<Operation> attention_of(const spec::Model& m, int layer, const Batch& batch) {
  std::vector<Operation> out;
  append_operations(out, m, layer, LayerPart::attention, Pass::forward, batch, {}, {});
  return out;
}

TEST(Recurrent, DecodingALayerWithAStateTakesNoLongerAtALongContext) {
  const spec::Model next = spec::load_model("qwen3-next-80b-a3b");
  const auto model = kernel_models().make(Config::from_text("{kind: calibrated}", "test"), spec::load_gpu("h200"));
  const auto time = [&](int layer, std::int64_t context) {
    Batch batch;
    add_decode(batch, next, context, 1, 16);
    KernelCosts costs(*model);
    return total_time(attention_of(next, layer, batch), costs);
  };
  EXPECT_EQ(time(0, 1000), time(0, 1'000'000));
  EXPECT_GT(seconds(time(3, 100'000)), 3 * seconds(time(3, 1000)));
}

TEST(Recurrent, APromptsPiecesGoOnFromTheState) {
  const spec::Model next = spec::load_model("qwen3-next-80b-a3b");
  const auto scan = [&](std::int64_t context) {
    Batch batch;
    add_prefill(batch, next, 512, context, 2);
    for (const Operation& o : attention_of(next, 0, batch))
      if (const auto* s = std::get_if<StateScan>(&o.kernel)) return *s;
    return StateScan{};
  };
  EXPECT_EQ(scan(0).longest, 512);
  EXPECT_EQ(scan(0).tokens, 1024);
  EXPECT_FALSE(scan(0).resumed);
  EXPECT_EQ(scan(4096).longest, 512);
  EXPECT_TRUE(scan(4096).resumed);
  EXPECT_EQ((bytes_of(scan(4096)) - bytes_of(scan(0))).v, 2 * 4 * 32 * 128 * 128);
}
}  // namespace
}  // namespace moesim::compute::recurrent
