// Mamba-2: kernels on unit hardware, and layers that are halves, worked out in the head.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/kernels/equations.h"
#include "compute/layers/memory.h"
#include "formula/compute/held_layers.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "support/refusal.h"

namespace moesim::compute::state_space {
namespace {
constexpr Machine kTwoSms{.sms = 2, .hbm = 1, .hbm_of_gpu = 1};
constexpr Machine kFastMemory{.sms = 2, .hbm = 1e30, .hbm_of_gpu = 1e30};

/// Heads of 64 x 128, eight a group: one step a chunk.
StateScan scan_of_heads(int heads, std::int64_t sequences, std::int64_t each) {
  StateScan s{.kind = Recurrence::mamba2, .key_heads = std::max(1, heads / 8), .value_heads = heads};
  s.key_dim = 128, s.value_dim = 64;
  s.sequences = sequences, s.tokens = sequences * each, s.longest = each;
  return s;
}

TEST(StateSpace, OperationsByTokensAndByChunks) {
  StateScan s{.kind = Recurrence::mamba2, .key_heads = 1, .value_heads = 2, .key_dim = 4, .value_dim = 3};
  s.sequences = 1, s.tokens = s.longest = 10;
  // A head: 4 x 4 x 3 with the state, 128 x 3 within the chunk, and half a group's scores of 2 x 128 x 4.
  EXPECT_EQ(flops_of(s), 10 * 2 * (48 + 384 + 512));
  s.backward = true;
  EXPECT_EQ(flops_of(s), 3 * 10 * 2 * (48 + 384 + 512));
  s.backward = false, s.decode = true;
  EXPECT_EQ(flops_of(s), 10 * 2 * 5 * 12);
}

TEST(StateSpace, DecodingReadsAndWritesStates) {
  // One head of 3 x 4: 48 B; a token's x and output 12 B, B and C 16 B, its step 4 B.
  StateScan s{.kind = Recurrence::mamba2, .key_heads = 1, .value_heads = 1, .key_dim = 4, .value_dim = 3};
  s.sequences = s.tokens = 3, s.longest = 1, s.decode = true;
  EXPECT_EQ(bytes_of(s), Bytes{3 * (2 * 48 + 12 + 16 + 4)});
}

TEST(StateSpace, BlocksOfHeadsComeInWavesAndWalkChunkByChunk) {
  MambaScan e;
  e.launch = 2_s, e.start = 10_s, e.step = 1_s;
  // 8 heads on two SMs: four waves, each 10 s and two chunks.
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(scan_of_heads(8, 1, 256), e, kFastMemory), 2 + 4 * (10 + 2));
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(scan_of_heads(8, 2, 256), e, kFastMemory), 2 + 8 * (10 + 2));
  // One SM each: no faster on a larger GPU.
  Machine large = kFastMemory;
  large.sms = 8;
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(scan_of_heads(8, 1, 256), e, large), 2 + 10 + 2);
  large.sms = 1000;
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(scan_of_heads(8, 1, 256), e, large), 2 + 10 + 2);
  StateScan gradient = scan_of_heads(8, 1, 256);
  gradient.backward = true;
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(gradient, e, large), 3 * (2 + 10 + 2));
}

TEST(StateSpace, SequencesThatEndWithinAChunkAreCutOut) {
  MambaScan e;
  e.launch = 2_s, e.start = 10_s, e.step = 1_s, e.ragged = 100_s, e.cut = 5_s;
  // 129 tokens: two chunks, and in each of four waves 5 s more, once 100 s.
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(scan_of_heads(8, 1, 129), e, kFastMemory), 2 + 100 + 4 * (10 + 5 + 2));
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(scan_of_heads(8, 1, 128), e, kFastMemory), 2 + 4 * (10 + 1));
  // The longest is whole, the others are not: 64 tokens are one chunk.
  StateScan mixed = scan_of_heads(8, 2, 128);
  mixed.tokens = 128 + 64;
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(mixed, e, kFastMemory), 2 + 100 + 8 * (10 + 5 + 1));
}

TEST(StateSpace, WiderHeadsTakeLongerByTheirProducts) {
  MambaScan e;
  e.step = 1_s;
  StateScan wide = scan_of_heads(8, 1, 128);
  wide.value_dim = 128;
  // 4 x 128 x 64 + 128 x 64 + 2 x 128 x 128 / 8 = 45,056 before, 86,016 of heads of twice the width.
  EXPECT_DOUBLE_EQ(mamba_scan_seconds(wide, e, kFastMemory), 4 * 86'016.0 / 45'056.0);
}

TEST(StateSpace, BlocksOfAConvolutionGoOnBy512Tokens) {
  BlockConvolution e;
  e.launch = 2_s, e.start = 10_s, e.piece = 3_s, e.overlap = 1;
  // 16 blocks on each of two SMs at once: 64 channels are two waves.
  const auto time = [&](std::int64_t sequences, std::int64_t tokens, const Machine& on) {
    return block_convolution_seconds({64, 4, sequences, tokens, false}, e, on);
  };
  EXPECT_DOUBLE_EQ(time(1, 1, kFastMemory), 2 + 2 * (10 + 3));
  EXPECT_DOUBLE_EQ(time(1, 513, kFastMemory), 2 + 2 * (10 + 2 * 3));
  EXPECT_DOUBLE_EQ(time(3, 3 * 512, kFastMemory), 2 + 3 * 2 * (10 + 3));
  EXPECT_DOUBLE_EQ(time(1, 1, kTwoSms), 2 + 2 * (10 + 3) + 64 * 4);
}

// Nemotron-3-Nano: 23 layers keep 64 states of 64 x 128 in FP32 and 3 inputs of 64 x 64 + 2 x 8 x 128 channels in BF16.
constexpr std::int64_t kNanoState = 23 * (64 * 64 * 128 * 4 + 3 * 6144 * 2);
TEST(StateSpace, ARequestsStateIsSharedByTensorParallelGpus) {
  const spec::Model nano = spec::load_model("nemotron-3-nano-30b-a3b");
  LayerOptions options;
  for (const int tensor : {1, 2, 4, 8}) {
    options.tensor = tensor;
    EXPECT_EQ(state_bytes_per_request(nano, all_of(nano), options), Bytes{kNanoState / tensor});
  }
  options.tensor = 16;  // 4 heads, and a copy of one of 8 groups: 256 + 2 x 128 channels
  EXPECT_EQ(state_bytes_per_request(nano, all_of(nano), options), Bytes{23 * (4 * 64 * 128 * 4 + 3 * 512 * 2)});
  options.tensor = 3;
  EXPECT_EQ(test::refusal_of([&] { (void)state_bytes_per_request(nano, all_of(nano), options); }),
            "64 heads of Mamba-2 cannot be shared by 3 tensor-parallel GPUs");
  // Six layers of 2 KV heads of 128 grow with the context, and nothing else does.
  EXPECT_EQ(kv_bytes_per_token(nano, all_of(nano), {}), Bytes{6 * 2 * 2 * 128 * 2});
}

TEST(StateSpace, GroupsThatDivideNeitherWayAreRefused) {
  spec::Model m = spec::load_model("nemotron-3-nano-30b-a3b");
  m.mamba->heads = 96, m.mamba->groups = 8;
  LayerOptions options;
  options.tensor = 12;
  EXPECT_EQ(test::refusal_of([&] { (void)state_bytes_per_request(m, all_of(m), options); }),
            "8 groups of Mamba-2 cannot be shared by 12 tensor-parallel GPUs");
}

TEST(StateSpace, LayersThatAreHalvesHaveHalfTheParts) {
  const spec::Model nano = spec::load_model("nemotron-3-nano-30b-a3b");  // MEMEM*E...
  using enum LayerPart;
  EXPECT_EQ(parts_of(nano, 0), std::vector{attention});
  EXPECT_EQ(parts_of(nano, 1), (std::vector{gate, shared, experts, merge}));
  EXPECT_EQ(parts_of(nano, 5), std::vector{attention});
  const Batch batch = training_batch(nano, 256);
  for (const MemoryItem& kept : layer_activations(nano, 0, batch, 0, {}))
    EXPECT_FALSE(kept.name.starts_with("normed FFN") || kept.name.starts_with("gate scores")) << kept.name;
  for (const MemoryItem& kept : layer_activations(nano, 1, batch, 64, {}))
    EXPECT_FALSE(kept.name == "normed input" || kept.name.starts_with("attention output")) << kept.name;
}

/// Of the product of that name.
Gemm product(const std::vector<Operation>& operations, std::string_view name) {
  for (const Operation& o : operations)
    if (o.name == name) return std::get<Gemm>(o.kernel);
  ADD_FAILURE() << "no " << name;
  return {};
}

// Nemotron-3-Super: 4096 wide, experts of two matrices at 1024.
TEST(StateSpace, LatentExpertsAreReachedByTwoMapsOfEveryToken) {
  const spec::Model m = spec::load_model("nemotron-3-super-120b-a12b");
  const int layer = m.moe_layers().front();
  Batch batch;
  add_prefill(batch, m, 100);
  const std::vector<std::int64_t> rows(512, 2);
  std::vector<Operation> operations;
  for (const LayerPart part : parts_of(m, layer))
    append_operations(operations, m, layer, part, Pass::forward, batch, rows, {});
  const Gemm down = product(operations, "latent down"), up = product(operations, "latent up");
  EXPECT_EQ(std::tuple(down.m, down.n, down.k), std::tuple(100, 1024, 4096));
  EXPECT_EQ(std::tuple(up.m, up.n, up.k), std::tuple(100, 4096, 1024));
  for (const Operation& o : operations)
    if (const auto* g = std::get_if<GroupedGemm>(&o.kernel)) {
      EXPECT_EQ(g->n * g->k, 1024 * 2688) << o.name;
    }
}
}  // namespace
}  // namespace moesim::compute::state_space
