// Buffers of exchanges against sizes worked out by hand and printed by the libraries.
#include <gtest/gtest.h>

#include "network/exchanges/exchange_buffers.h"

namespace moesim::network {
namespace {
constexpr ExchangeSpec spec(ExchangeKernel kernel, std::int64_t row) {
  return {.kernel = kernel, .row = {row}, .sms = 2};
}
Bytes of(ExchangeKernel kernel, const BufferNeed& need) {
  return exchange_buffers(spec(kernel, 3), spec(kernel, 2), need);
}

TEST(ExchangeBuffers, OfOneGpuAreNone) {
  for (const auto& [name, kernel] : enum_names(ExchangeKernel{}))
    EXPECT_EQ(of(kernel, {.gpus = 1, .hidden = 4, .experts = 2, .tokens = 8, .sent = 8, .arrived = 8}).v, 0) << name;
}

// Two sets of: send E T 2 h, receive E T (2 h + 16).
TEST(ExchangeBuffers, OfLowLatencyHoldAllTokensForEveryExpert) {
  const auto bytes = [](int experts, std::int64_t tokens) {
    return of(ExchangeKernel::deepep_low_latency,
              {.gpus = 2, .per_node = 2, .hidden = 8, .experts = experts, .tokens = tokens})
        .v;
  };
  EXPECT_EQ(bytes(1, 1), 2 * (16 + 32));
  EXPECT_EQ(bytes(6, 5), 30 * bytes(1, 1));
}

// DeepEP issue 28 prints 2,116 MB.
TEST(ExchangeBuffers, OfLowLatencyAreAsTheLibraryPrints) {
  const Bytes bytes = of(ExchangeKernel::deepep_low_latency,
                         {.gpus = 16, .per_node = 8, .hidden = 7168, .experts = 288, .tokens = 128});
  EXPECT_NEAR(double(bytes.v) * 1e-6, 2116, 1);
}

// One channel; rows of 2 h + 1,536 + 512 + 8 bytes; rings of 288 a peer, and of 128 a node each way.
TEST(ExchangeBuffers, OfRingsDoNotGrowWithTokens) {
  const std::int64_t row = 16 + 1536 + 512 + 8;
  const BufferNeed one{.gpus = 2, .per_node = 2, .hidden = 8, .experts = 2, .tokens = 100};
  EXPECT_EQ(of(ExchangeKernel::deepep_normal, one).v, 2 * 288 * row);
  const BufferNeed two{.gpus = 4, .per_node = 2, .hidden = 8, .experts = 2, .tokens = 7, .arrived = 10};
  EXPECT_EQ(of(ExchangeKernel::deepep_normal, two).v, 2 * 288 * row + 2 * 128 * row * 2 + 10 * (3 + 2));
}

TEST(ExchangeBuffers, OfTheLibrarysAreRowsOfBothSides) {
  const BufferNeed need{.gpus = 4, .per_node = 4, .hidden = 8, .experts = 8, .tokens = 5, .sent = 10, .arrived = 12};
  EXPECT_EQ(of(ExchangeKernel::all_to_all, need).v, (3 + 2) * 22);
  EXPECT_EQ(of(ExchangeKernel::all_gather, need).v, (3 + 2) * 20);
}
}  // namespace
}  // namespace moesim::network
