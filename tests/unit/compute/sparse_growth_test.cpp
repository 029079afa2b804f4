// How sparse attention's decoding grows with the context.
#include <gtest/gtest.h>

#include "compute/kernels/equation_model.h"
#include "compute/layers/inventory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
// From 4 K to 128 K tokens a layer of V3.2 in decode grows by the scores of its indexer, V3's by its whole cache.
TEST(SparseAttention, DecodingGrowsSlowerThanWithDenseLatents) {
  const auto kernels = make_calibrated("", true, spec::load_gpu("h200"));
  const auto layer = [&](const char* name, std::int64_t context) {
    const spec::Model model = spec::load_model(name);
    Batch batch;
    add_decode(batch, model, context - 1, 1, 64);
    LayerOptions o;
    o.precision = {.linear = spec::Dtype::fp8, .kv_cache = spec::Dtype::fp8};
    std::vector<Operation> operations;
    append_operations(operations, model, 5, LayerPart::attention, Pass::forward, batch, {}, o);
    double sum = 0;
    for (const Operation& op : operations) sum += seconds(kernels->cost(op.kernel).time);
    return sum;
  };
  const double sparse = layer("deepseek-v3.2", 131072) - layer("deepseek-v3.2", 4096),
               dense = layer("deepseek-v3", 131072) - layer("deepseek-v3", 4096);
  // Bytes alone: 132 of an index key against 656 of a latent.
  EXPECT_GT(dense / sparse, 2);
  EXPECT_LT(dense / sparse, 656.0 / 132 * 2);
}
}  // namespace
}  // namespace moesim::compute
