// What an engine's share of the memory leaves for the cache: a GPU of 100 GB, 2 GB of it reserved, 40 GB of weights and
// 10 GB of buffers.
#include <gtest/gtest.h>

#include "serving/deployment/pool_memory.h"

namespace moesim::serving {
namespace {
using forward::ShareOf;

constexpr std::int64_t kGb = 1'000'000'000;

spec::Gpu small_gpu() {
  spec::Gpu gpu;
  gpu.memory = {100 * kGb};
  gpu.reserve = {2 * kGb};
  return gpu;
}
CacheShare section(ShareOf of, double share) { return {share, of, {10 * kGb}}; }
std::int64_t room(ShareOf of, double share) {
  return std::int64_t(cache_room(section(of, share), small_gpu(), {40 * kGb}) + 0.5);
}

TEST(CacheRoom, OfAllMemoryNeverReachesIntoTheReserve) {
  EXPECT_EQ(room(ShareOf::all, 0.9), 40 * kGb);
  EXPECT_EQ(room(ShareOf::all, 1), 48 * kGb);
  EXPECT_EQ(room(ShareOf::all, 0.5), 0);
}

TEST(CacheRoom, OfWeightsAndCacheHasTheBuffersBeside) {
  EXPECT_EQ(room(ShareOf::weights_and_cache, 0.8), 384 * kGb / 10);  // 78.4 GB less the weights
  EXPECT_EQ(room(ShareOf::weights_and_cache, 0.95), 48 * kGb);       // 88 GB are left beside the buffers
}

TEST(CacheRoom, OfTheRestIsAPartOfWhatWeightsAndBuffersLeave) {
  EXPECT_EQ(room(ShareOf::rest, 0.9), 432 * kGb / 10);
  EXPECT_EQ(room(ShareOf::rest, 1), 48 * kGb);
}

TEST(CacheRoom, IsSaidInTheWordsOfEachEngine) {
  const auto said = [](ShareOf of) { return share_meaning(section(of, 0.9), small_gpu()); };
  EXPECT_EQ(said(ShareOf::all), "90 % of all 100.0 GB, less weights and 10.00 GB of buffers");
  EXPECT_EQ(said(ShareOf::weights_and_cache), "90 % of the 98.0 GB that can be used, less weights");
  EXPECT_EQ(said(ShareOf::rest), "90 % of what weights and 10.00 GB of buffers leave of 98.0 GB");
}
}  // namespace
}  // namespace moesim::serving
