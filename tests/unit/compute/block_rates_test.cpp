// Block-sparse attention modules of MiniMax-M3 against published shares of bandwidth.
#include <gtest/gtest.h>

#include "compute/kernels/equation_model.h"
#include "compute/layers/inventory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
// Published: decoding of many heads reaches 66 to 78 % of the HBM bandwidth on H100 (of long contexts up to 85 %, in
// the same tables), 39 to 61 % on B200; however few heads a GPU has, a module takes 24 us at least.
TEST(BlockTables, DecodingReachesPublishedShares) {
  const spec::Model m = spec::load_model("minimax-m3");
  for (const auto& [gpu, least, most] : {std::tuple("h100", 0.55, 0.86), std::tuple("b200", 0.36, 0.66)}) {
    const auto kernels = make_calibrated("", true, spec::load_gpu(gpu));
    const auto time_and_bytes = [&](int tensor, std::int64_t context, std::int64_t batch) {
      LayerOptions o;
      o.tensor = tensor, o.graphs = true;
      Batch work;
      add_decode(work, m, context, 1, batch);
      std::vector<Operation> operations;
      append_operations(operations, m, 3, LayerPart::attention, Pass::forward, work, {}, o);
      std::pair<double, double> sum;
      for (const Operation& op : operations)
        sum.first += seconds(kernels->cost(op.kernel).time), sum.second += double(op.bytes.v);
      return sum;
    };
    const auto [time, bytes] = time_and_bytes(1, 32768, 256);
    EXPECT_GT(bytes / time / kernels->gpu().memory_bandwidth.v, least) << gpu;
    EXPECT_LT(bytes / time / kernels->gpu().memory_bandwidth.v, most) << gpu;
    EXPECT_GT(time_and_bytes(8, 1024, 1).first, 24e-6) << gpu;
    EXPECT_LT(time_and_bytes(8, 1024, 1).first, 45e-6) << gpu;
  }
}
}  // namespace
}  // namespace moesim::compute
