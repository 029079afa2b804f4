// What one property of a model adds to its parameters.
#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "spec/count.h"

namespace moesim::spec {
namespace {
Model with(const Model& from, auto change) {
  Model out = from;
  change(out);
  return out;
}

// llama-2-7b: 32,000 words of width 4,096.
TEST(Counts, ATiedEmbeddingIsCountedOnceAndWorksAsTheHead) {
  const Model apart = load_model("llama-2-7b");
  const Model tied = with(apart, [](Model& m) { m.tied_embeddings = true; });
  const Parameters a = count_parameters(apart), t = count_parameters(tied);
  const std::int64_t table = std::int64_t{32'000} * 4'096;
  EXPECT_EQ(a.embedding, table);
  EXPECT_EQ(a.head, table);
  EXPECT_EQ(t.embedding, table);
  EXPECT_EQ(t.head, 0);
  EXPECT_EQ(a.total() - t.total(), table);
  EXPECT_EQ(a.active_no_embedding, a.active - table);
  EXPECT_EQ(t.active_no_embedding, t.active);  // every token is multiplied by it at the end
}

// A weight for each of the 128 dimensions of a head, of queries and of keys, in each of 94 layers.
TEST(Counts, HeadNormsHaveAWeightForEachDimensionOfQueriesAndKeys) {
  const Model normed = load_model("qwen3-235b-a22b");
  const Model plain = with(normed, [](Model& m) { m.attention.qk_norm = false; });
  ASSERT_EQ(normed.attention.head_dim, 128);
  EXPECT_EQ(count_parameters(normed).attention - count_parameters(plain).attention, 94 * 2 * 128);
  EXPECT_EQ(attention_parameters(normed, normed.attention.kind) - attention_parameters(plain, plain.attention.kind),
            2 * 128);
}
}  // namespace
}  // namespace moesim::spec
