// Exchanges that take and bring rows as they are leave sorting to compute, on both sides and in both directions.
#include <gtest/gtest.h>

#include <map>

#include "compute/layers/inventory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
using Counts = std::map<std::string, double>;

/// Bytes by operation of one pass over an MoE layer, 512 tokens a GPU whose experts get as many rows as it sends.
Counts bytes_of(Pass pass, const LayerOptions& options) {
  const spec::Model model = spec::load_model("deepseek-v3");
  const std::vector<std::int64_t> rows(8, 512);
  std::vector<Operation> operations;
  Batch batch;
  add_prefill(batch, model, 512);
  for (const LayerPart part : {LayerPart::gate, LayerPart::experts, LayerPart::merge})
    append_operations(operations, model, 10, part, pass, batch, rows, options);
  Counts out;
  for (const Operation& o : operations) out[std::string(o.name)] += double(o.bytes.v);
  return out;
}

Counts added(const Counts& without, const Counts& with) {
  Counts out;
  for (const auto& [name, bytes] : with)
    if (!without.contains(name) || without.at(name) != bytes) out[name] = bytes;
  for (const auto& [name, bytes] : without) EXPECT_TRUE(with.contains(name)) << name;
  return out;
}

constexpr double kRow = 7168 * 2, kSent = 512 * 8 * kRow, kTokens = 512 * kRow;

TEST(SentRowsLaw, TheSourcePermutesWhatItSendsAndAddsUpWhatReturns) {
  LayerOptions options;
  options.training = true;
  LayerOptions sends = options;
  sends.sends_rows = true;
  const Counts forward = added(bytes_of(Pass::forward, options), bytes_of(Pass::forward, sends));
  EXPECT_EQ(forward.at("permute to send"), 2 * kSent);
  EXPECT_EQ(forward.at("un-permute results"), kSent + kTokens);
  EXPECT_EQ(forward.size(), 3u) << "and the choices are sorted";
  const Counts back = added(bytes_of(Pass::backward_input, options), bytes_of(Pass::backward_input, sends));
  EXPECT_EQ(back,
            (Counts{{"permute gradient to send", 2 * kSent}, {"un-permute gradient", 2 * kSent + kSent + kTokens}}));
  EXPECT_TRUE(added(bytes_of(Pass::weight_gradient, options), bytes_of(Pass::weight_gradient, sends)).empty());
}

TEST(SentRowsLaw, TheExpertsGpuSortsThemAgainWhateverTheLayout) {
  LayerOptions options;
  options.layout = GroupLayout::masked;
  LayerOptions sends = options;
  sends.sends_rows = true;
  const Counts more = added(bytes_of(Pass::forward, options), bytes_of(Pass::forward, sends));
  EXPECT_EQ(more.at("permute"), 2 * kSent);
  EXPECT_EQ(more.at("un-permute"), 2 * kSent);
}

TEST(SentRowsLaw, RowsThatCameInBf16AreCastForProductsInFp8) {
  LayerOptions options;
  options.precision.linear = spec::Dtype::fp8;
  const Counts fp8 = bytes_of(Pass::forward, options);
  options.precision.dispatch = spec::Dtype::bf16;
  const Counts bf16 = bytes_of(Pass::forward, options);
  EXPECT_GT(bf16.at("permute"), 1.9 * fp8.at("permute"));
  EXPECT_FALSE(fp8.contains("cast rows"));
  EXPECT_GT(bf16.at("cast rows"), 512 * 8 * 7168 * 3.0);
}
}  // namespace
}  // namespace moesim::compute
