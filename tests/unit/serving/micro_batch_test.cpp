#include "serving/step/micro_batch.h"

#include <gtest/gtest.h>

#include "core/random.h"

namespace moesim::serving {
namespace {
/// Sequences that decode with a draft each, a prompt in chunks, both under a window, or none of it.
compute::Batch drawn_batch(Random& random) {
  const auto below = [&](std::uint64_t most) { return std::int64_t(random.below(most)); };
  const auto work = [&](std::int64_t sequences, std::int64_t each) {
    compute::AttentionWork out;
    if (sequences == 0) return out;
    out = {sequences, sequences * each, sequences * each + below(9000), each + below(4000)};
    out.pairs = double(out.keys) * double(each);
    out.tiles = double(sequences), out.tiled_pairs = 2 * out.pairs;
    return out;
  };
  compute::Batch out;
  out.prefill = work(below(3), 1 + below(600));
  out.decode = work(below(4), 1 + below(2));
  out.window_prefill = work(below(2), 1 + below(600));
  out.window_decode = work(below(2), 1);
  out.tokens = out.prefill.queries + out.decode.queries;
  out.outputs = below(8);
  return out;
}

bool same(const compute::Batch& a, const compute::Batch& b) {
  return a.tokens == b.tokens && a.outputs == b.outputs && a.prefill == b.prefill && a.decode == b.decode &&
         a.window_prefill == b.window_prefill && a.window_decode == b.window_decode;
}

TEST(MicroBatch, IsTheSameWhateverStoodInItsPlace) {
  Random random(5, "batches");
  for (const int of : {1, 2, 3}) {
    compute::Batch kept;
    for (int round = 0; round < 200; ++round) {
      const compute::Batch batch = drawn_batch(random);
      std::int64_t tokens = 0;
      for (int micro = 0; micro < of; ++micro) {
        compute::Batch fresh;
        set_micro_batch(batch, micro, of, fresh);
        set_micro_batch(batch, micro, of, kept);
        ASSERT_TRUE(same(fresh, kept)) << round << " " << micro << "/" << of;
        tokens += fresh.tokens;
      }
      const bool whole = batch.prefill.sequences <= 1 && batch.decode.sequences == batch.decode.queries;
      EXPECT_EQ(whole ? tokens : batch.tokens, batch.tokens) << round;
    }
  }
}

TEST(MicroBatch, DealsOutSequencesAndCutsAPrompt) {
  compute::Batch batch;
  batch.decode = {5, 5, 505, 201};
  batch.decode.pairs = 505;
  batch.tokens = batch.outputs = 5;
  compute::Batch first, second;
  set_micro_batch(batch, 0, 2, first);
  set_micro_batch(batch, 1, 2, second);
  EXPECT_EQ(first.decode.sequences, 3);
  EXPECT_EQ(second.decode.sequences, 2);
  EXPECT_EQ(first.decode.keys, 303);  // three fifths
  EXPECT_EQ(second.decode.keys, 202);
  EXPECT_EQ(second.decode.longest, 201);
  EXPECT_EQ(first.outputs + second.outputs, 5);
}
}  // namespace
}  // namespace moesim::serving
