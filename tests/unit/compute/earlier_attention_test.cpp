// Attention's kernels before FlashAttention-3 against what was published of them.
#include <gtest/gtest.h>

#include "compute/kernels/kernel_model.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
std::unique_ptr<KernelModel> model_of(const std::string& attention, const std::string& gpu = "h100") {
  return kernel_models().make(Config::from_text("{kind: calibrated, attention: " + attention + "}", "test"),
                              spec::load_gpu(gpu));
}

/// 16,384 tokens in all and 16 heads of 128, no mask, as the figures have them.
AttentionPrefill forward_of(std::int64_t each) {
  AttentionPrefill a;
  a.heads = {.kind = spec::AttentionKind::mha, .heads = 16, .kv_heads = 16, .qk_dim = 128, .v_dim = 128};
  const std::int64_t sequences = 16384 / each;
  a.work = {.sequences = sequences, .queries = 16384, .keys = 16384, .longest = each, .edges = 0};
  a.work.pairs = double(each) * 16384;
  return a;
}
double forward_rate(const KernelModel& model, std::int64_t each) {
  const AttentionPrefill a = forward_of(each);
  return 4 * a.work.pairs * 16 * 128 / seconds(model.cost(a).time) * 1e-12;
}
double backward_rate(const KernelModel& model, std::int64_t each) {
  const AttentionPrefill a = forward_of(each);
  return 10 * a.work.pairs * 16 * 128 / seconds(model.cost(AttentionBackward{a.heads, a.work}).time) * 1e-12;
}

// Shah et al., FlashAttention-3, 2024, figures 5 and 6: FlashAttention-2 on H100, heads of 128, no mask.
TEST(EarlierAttention, LongSequencesHaveThePublishedRates) {
  const auto model = model_of("flash_attention_2");
  EXPECT_NEAR(forward_rate(*model, 4096), 368, 0.06 * 368);
  EXPECT_NEAR(forward_rate(*model, 16384), 370, 0.04 * 370);
  EXPECT_NEAR(backward_rate(*model, 4096), 310, 0.06 * 310);
  EXPECT_NEAR(backward_rate(*model, 16384), 322, 0.04 * 322);
}

// The same figures, at 16,384 tokens: 648 over 370 forward, 561 over 322 backward.
TEST(EarlierAttention, IsSlowerThanWhatCameAfterByAsMuchAsPublished) {
  const auto earlier = model_of("flash_attention_2"), usual = model_of("usual");
  EXPECT_NEAR(forward_rate(*usual, 16384) / forward_rate(*earlier, 16384), 648.0 / 370, 0.15);
  EXPECT_NEAR(backward_rate(*usual, 16384) / backward_rate(*earlier, 16384), 561.0 / 322, 0.3);
}

TEST(EarlierAttention, OnOtherGpusItIsRefused) {
  try {
    model_of("flash_attention_2", "b200");
    FAIL() << "it was taken";
  } catch (const ConfigError& e) {
    EXPECT_STREQ(e.what(), "test:1:31: attention: flash_attention_2 is known on hopper GPUs, not on blackwell");
  }
}
}  // namespace
}  // namespace moesim::compute
