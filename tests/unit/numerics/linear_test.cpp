#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "numerics/pass/arithmetic.h"

namespace moesim::numerics {
namespace {
// Few and many outputs, of products small enough for one thread and large enough for several: with one output too, as
// the gates of shared experts have.  All ones: each result is the inner size.
TEST(Linear, EveryOutputOfEveryRowIsComputed) {
  Threads threads(3);
  const Machine machine{threads, fp32_arithmetic()};
  constexpr int kInner = 256;
  for (const int outputs : {1, 2, 3, 127, 129, 257})
    for (const int rows : {1, 5, 600, 1200}) {
      const std::vector<float> x(std::size_t(rows * kInner), 1.0F), w(std::size_t(outputs * kInner), 1.0F);
      Matrix y(rows, outputs);
      std::fill(y.values.begin(), y.values.end(), -1.0F);
      linear(machine, {x.data(), rows, kInner, kInner}, {{w.data(), outputs, kInner, kInner}, nullptr},
             LinearRole::router, y);
      for (const float value : y.values) ASSERT_EQ(value, float(kInner)) << outputs << " outputs, " << rows << " rows";
    }
}
}  // namespace
}  // namespace moesim::numerics
