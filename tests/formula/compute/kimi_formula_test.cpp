// Kimi Delta Attention: kernels on unit hardware, and the layers of Kimi-K3, worked out in the head.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute/kernels/equations.h"
#include "compute/layers/memory.h"
#include "formula/compute/held_layers.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "support/refusal.h"

namespace moesim::compute::kimi {
namespace {
constexpr Machine kTwoSms{.sms = 2, .hbm = 1, .hbm_of_gpu = 1};

/// One head of 2 x 2: a state of 16 B.
StateScan one_head(std::int64_t sequences, std::int64_t each) {
  StateScan s{.kind = Recurrence::kimi_delta, .key_heads = 1, .value_heads = 1, .key_dim = 2, .value_dim = 2};
  s.sequences = sequences, s.tokens = sequences * each, s.longest = each;
  s.decode = true;
  return s;
}

TEST(KimiDelta, DecodingReadsAndWritesStates) {
  // Query, key, value and output 16 B, its decays 4 B, its step 4 B.
  EXPECT_EQ(bytes_of(one_head(3, 1)), Bytes{3 * (2 * 16 + 24)});
  EXPECT_EQ(bytes_of(one_head(3, 2)), Bytes{3 * 16 + 6 * (16 + 24)});  // a state is written for every draft
  EXPECT_EQ(flops_of(one_head(3, 1)), 3 * 7 * 4);
}

TEST(KimiDelta, OneKernelTakesTheConvolutionsInputsAndGatesToo) {
  StateScan s = one_head(3, 1);
  s.taps = 4;
  // Gates of 4 B a token; three inputs of 6 channels in and out, 2 B each.
  EXPECT_EQ(bytes_of(s), Bytes{3 * (2 * 16 + 24 + 4 + 2 * 3 * 6 * 2)});
}

TEST(KimiDelta, TokensOfOneSequenceGoOneAfterTheOther) {
  StateEquation e;
  e.launch = 2_s, e.token = 5_s;
  EXPECT_DOUBLE_EQ(recurrence_seconds(one_head(3, 1), e, kTwoSms), 2 + 168);
  EXPECT_DOUBLE_EQ(recurrence_seconds(one_head(3, 2), e, kTwoSms), 2 + 5 + 3 * 16 + 6 * 40);
}

TEST(KimiDelta, DraftsKeepAWindowOrACopyOfItEach) {
  StateEquation e;
  // 3 channels: 4 tokens in and out, 48 B; two sequences read 3 inputs and keep 4, of which the next step takes 3.
  EXPECT_DOUBLE_EQ(convolution_seconds({3, 4, 2, 4, true}, e, kTwoSms), 48 + 2 * 3 * (2 * 3 + 2 * 4));
  e.window = 4;  // a second copy of the window: 6 B a channel where 2 B would do
  EXPECT_DOUBLE_EQ(convolution_seconds({3, 4, 2, 4, true}, e, kTwoSms), 48 + 2 * 3 * (2 * 3 + 2 * 4) + 2 * 3 * 4);
}

TEST(KimiDelta, ARequestsStateIsSharedByTensorParallelGpus) {
  const spec::Model k3 = spec::load_model("kimi-k3");
  LayerOptions options;
  for (const int tensor : {1, 2, 4, 8, 32}) {
    options.tensor = tensor;
    EXPECT_EQ(state_bytes_per_request(k3, all_of(k3), options), Bytes{(434'110'464 + 15'261'696) / tensor});
  }
  options.tensor = 64;
  EXPECT_EQ(test::refusal_of([&] { (void)state_bytes_per_request(k3, all_of(k3), options); }),
            "96 heads of KDA cannot be shared by 64 tensor-parallel GPUs");
  // 24 layers of a latent of 576, which every GPU keeps.
  EXPECT_EQ(kv_bytes_per_token(k3, all_of(k3), options), Bytes{24 * 576 * 2});
}

std::vector<Operation> layer_of(const spec::Model& m, int layer, const Batch& batch) {
  std::vector<Operation> out;
  append_operations(out, m, layer, LayerPart::attention, Pass::forward, batch, {}, {});
  return out;
}
/// Of the product of that name.
Gemm product(const std::vector<Operation>& operations, std::string_view name) {
  for (const Operation& o : operations)
    if (o.name == name) return std::get<Gemm>(o.kernel);
  ADD_FAILURE() << "no " << name;
  return {};
}
int count(const std::vector<Operation>& operations, std::string_view name) {
  return int(std::ranges::count(operations, name, &Operation::name));
}

TEST(KimiDelta, ALayersProducts) {
  const spec::Model k3 = spec::load_model("kimi-k3");
  Batch batch;
  add_prefill(batch, k3, 100);
  const std::vector<Operation> ops = layer_of(k3, 0, batch);
  const Gemm wide = product(ops, "qkv, gate"), narrow = product(ops, "decay down, step"), up = product(ops, "decay up");
  EXPECT_EQ(std::tuple(wide.m, wide.n, wide.k), std::tuple(100, 4 * 12'288, 7168));
  EXPECT_EQ(std::tuple(narrow.m, narrow.n, narrow.k), std::tuple(100, 128 + 96, 7168));
  EXPECT_EQ(std::tuple(up.m, up.n, up.k), std::tuple(100, 12'288, 128));
  EXPECT_EQ(count(ops, "attend to blocks"), 1);
  EXPECT_EQ(count(ops, "convolution q") + count(ops, "convolution k") + count(ops, "convolution v"), 3);
  // Its other layers attend without positions, and gate what comes of it.
  const std::vector<Operation> full = layer_of(k3, 3, batch);
  const Gemm gate = product(full, "output gate");
  EXPECT_EQ(std::tuple(gate.m, gate.n, gate.k), std::tuple(100, 12'288, 7168));
  EXPECT_EQ(count(full, "rope"), 0);
  EXPECT_EQ(count(full, "gate output"), 1);
}

TEST(KimiDelta, OneNextTokenIsOneKernelAndDraftsAreThree) {
  const spec::Model k3 = spec::load_model("kimi-k3");
  const auto scan_taps = [&](std::int64_t each) {
    Batch batch;
    add_decode(batch, k3, 1000, each, 8);
    const std::vector<Operation> ops = layer_of(k3, 0, batch);
    EXPECT_EQ(count(ops, "convolution decode"), each > 1 ? 1 : 0);
    EXPECT_EQ(count(ops, "gated norm"), each > 1 ? 1 : 0);
    for (const Operation& o : ops)
      if (const auto* s = std::get_if<StateScan>(&o.kernel)) return s->taps;
    return -1;
  };
  EXPECT_EQ(scan_taps(1), 4);
  EXPECT_EQ(scan_taps(3), 0);
}

// A forward pass over whole layers does the operations that the model counts: twice the parameters, and the states'.
TEST(KimiDelta, ALayersOperationsAreTheCatalogues) {
  const spec::Model k3 = spec::load_model("kimi-k3");
  Batch batch;
  add_prefill(batch, k3, 64);
  double useful = 0;
  for (const Operation& o : layer_of(k3, 0, batch)) useful += o.useful.v;
  const double parameters = double(spec::attention_parameters(k3, spec::AttentionKind::kimi_delta)) + 2 * 7168 + 7168;
  EXPECT_DOUBLE_EQ(useful, 64 * (2 * parameters + 7 * 96.0 * 128 * 128));
}

// Gates through a narrow product, as Kimi-Linear has them: what is executed and kept is what the model counts, backward
// too: twice the forward pass, the recurrence's as well.
TEST(KimiDelta, NarrowGatesAndTheirGradients) {
  const spec::Model m = spec::read_model(
      Config::from_text("architecture: deepseek_v3\nvocabulary: 64\nhidden: 32\nlayers: 4\n"
                        "attention: {kind: MLA, heads: 4, kv_heads: 4, head_dim: 24, v_head_dim: 16, kv_lora_rank: 32, "
                        "qk_nope_head_dim: 16, qk_rope_head_dim: 8}\n"
                        "moe: {experts: 8, expert_width: 16, top_k: 2, selection: greedy}\n"
                        "kimi: {heads: 2, dim: 16, convolution: 4, layers: [0, 1, 2]}\n",
                        "m.yaml"));
  // 3 x 32 x 32 of queries, keys and values; two products through 16 columns; steps; 4 x 96 taps, 2 rates, 32 biases,
  // a norm of 16; the output.
  const std::int64_t parameters = 3 * 32 * 32 + 2 * (16 * 32 + 32 * 16) + 2 * 32 + 4 * 96 + 2 + 32 + 16 + 32 * 32;
  EXPECT_EQ(spec::attention_parameters(m, spec::AttentionKind::kimi_delta), parameters);
  const Batch batch = training_batch(m, 128);
  LayerOptions options;
  options.training = true;
  double forward = 0, backward = 0;
  for (const Pass pass : {Pass::forward, Pass::backward_input, Pass::weight_gradient}) {
    std::vector<Operation> ops;
    append_operations(ops, m, 0, LayerPart::attention, pass, batch, {}, options);
    for (const Operation& o : ops) (pass == Pass::forward ? forward : backward) += o.useful.v;
  }
  EXPECT_DOUBLE_EQ(forward, 128 * (2.0 * double(parameters + 32) + 7.0 * 2 * 16 * 16));
  EXPECT_DOUBLE_EQ(backward, 2 * forward);
}
}  // namespace
}  // namespace moesim::compute::kimi
