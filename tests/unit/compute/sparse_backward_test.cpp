// The backward kernel of attention over picks against what was published of it.
#include <gtest/gtest.h>

#include "compute/kernels/kernel_model.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
// B200, 4096 queries, keys and values of 512 in one.  Source: cuDNN frontend, pull request 318 (2026-06).
TEST(SparseBackward, TakesThePublishedTimesOfB200) {
  struct Row {
    int heads, picks;
    double ms;
  };
  constexpr Row kRows[] = {{64, 128, 0.560},  {64, 512, 1.233},  {64, 1024, 2.155}, {64, 2048, 4.019},
                           {128, 128, 1.066}, {128, 512, 2.424}, {128, 1024, 4.303}};
  const auto model =
      kernel_models().make(Config::from_text("{kind: calibrated, sustained: false}", "test"), spec::load_gpu("b200"));
  for (const Row& row : kRows) {
    const AttentionHeads heads{spec::AttentionKind::compressed, row.heads, 1, 512, 512, true, 64};
    const AttentionBackward kernel{heads, {1, 4096, 4096, 4096, 4096.0 * row.picks}, spec::Dtype::bf16, row.picks};
    EXPECT_NEAR(seconds(model->cost(kernel).time) * 1e3 / row.ms, 1, 0.05) << row.heads << " heads, " << row.picks;
  }
}
}  // namespace
}  // namespace moesim::compute
