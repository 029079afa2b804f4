// Weights that a decode step reads, and the formats that a release's are said to have.
#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/release/run_formats.h"

namespace moesim::spec {
namespace {
// Mixtral: a row of 32,000, and two of eight experts in each of 32 layers.  Of 4,096 BF16 numbers a row, and of
// 3 x 4,096 x 14,336 an expert.
TEST(WeightsRead, ATokenReadsItsRowAndItsExpertsAndAllElse) {
  const Model m = load_model("mixtral-8x7b");
  const double row = 2.0 * 4'096, expert = 2.0 * 3 * 4'096 * 14'336, all = double(weight_bytes(m, {}).v);
  EXPECT_NEAR(weight_bytes_read(m, {}, 1), all - (32'000 - 1) * row - 32 * (8 - 2) * expert, 0.01);
  // Of eight experts two tokens leave 9/16 unread.
  EXPECT_NEAR(weight_bytes_read(m, {}, 2), all - (32'000 - 2) * row - 32 * 8 * 9 / 16.0 * expert, 0.01);
}

TEST(WeightsRead, ATableThatIsTheHeadIsReadAsAWhole) {
  Model m = load_model("llama-2-7b");
  m.tied_embeddings = true;
  EXPECT_NEAR(weight_bytes_read(m, {}, 1), double(weight_bytes(m, {}).v), 0.01);
}

Tensor dense(std::int64_t rows) {
  Tensor out;
  out.kind = TensorKind::dense;
  out.owner = Owner::backbone;
  out.takes = Takes::linear;
  out.rows = rows;
  out.columns = 1'000'000'000;
  return out;
}

// Of n rows of 2 GB in BF16 and one of 4 GB in FP32 a run has all in BF16: 2 GB fewer of 2 n + 4, which is one in a
// hundred where n is 98.
TEST(RunFormats, BytesThatAreOffByMoreThanAHundredthAreSaid) {
  const auto note = [](std::int64_t rows) {
    Release r;
    r.tensors = {dense(rows), dense(1)};
    r.formats = {plain_format("bfloat16"), plain_format("float32")};
    const RunFormats out = run_formats(r);
    EXPECT_EQ(out.weights, Dtype::bf16);
    return out.note;
  };
  EXPECT_EQ(note(98), "");
  EXPECT_EQ(note(97), "one format a kind of projection: 196.0 GB of them, released in 198.0 GB");
}
}  // namespace
}  // namespace moesim::spec
