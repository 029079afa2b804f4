#include "serving/instance/kv_cache.h"

#include <gtest/gtest.h>

namespace moesim::serving {
namespace {
using Hashes = std::vector<std::uint64_t>;

TEST(KvCache, WholeBlocksFitAndOneMoreTokenDoesNot) {
  KvCache kv({.capacity = 256, .block = 64});
  EXPECT_TRUE(kv.take(129));  // three blocks
  EXPECT_EQ(kv.in_use(), 192);
  EXPECT_FALSE(kv.take(65));
  EXPECT_TRUE(kv.take(64));
  EXPECT_FALSE(kv.take(1));
  kv.give(129);
  kv.give(64);
  EXPECT_EQ(kv.in_use(), 0);
  EXPECT_THROW(kv.give(1), std::logic_error);
}

TEST(KvCache, PrefixesAreSharedAndKeptUntilTheirSpaceIsNeeded) {
  KvCache kv({.capacity = 256, .block = 64, .hash_block = 64});
  const Hashes a{1, 2}, b{1, 3};
  ASSERT_TRUE(kv.take(128));
  kv.publish(a, 0, 2);
  EXPECT_EQ(kv.match(b).blocks, 1);
  ASSERT_TRUE(kv.pin(b, 1));
  ASSERT_TRUE(kv.take(64));
  kv.publish(b, 1, 2);
  EXPECT_EQ(kv.in_use(), 192);  // blocks 1, 2, 3
  kv.unpin(a, 2);
  EXPECT_EQ(kv.in_use(), 128);  // 2 is unused now, 1 still pinned by b
  kv.unpin(b, 2);
  EXPECT_EQ(kv.cached(), 192);
  ASSERT_TRUE(kv.take(128));  // evicts the oldest: 2
  EXPECT_EQ(kv.match(a).blocks, 1);
  EXPECT_EQ(kv.match(b).blocks, 2);
  EXPECT_LE(kv.in_use() + kv.cached(), kv.capacity());
}

TEST(KvCache, ComputedTwiceIsStoredOnce) {
  KvCache kv({.capacity = 256, .block = 64, .hash_block = 64});
  const Hashes a{1};
  ASSERT_TRUE(kv.take(64));
  ASSERT_TRUE(kv.take(64));  // two requests compute the same block at once
  kv.publish(a, 0, 1);
  kv.publish(a, 0, 1);
  EXPECT_EQ(kv.in_use(), 64);
  kv.unpin(a, 1);
  EXPECT_EQ(kv.in_use(), 64);
  kv.unpin(a, 1);
  EXPECT_EQ(kv.in_use(), 0);
}

TEST(KvCache, EvictedBlocksGoToHostThenDiskThenAway) {
  KvCache kv({.capacity = 64, .block = 64, .hash_block = 64, .host = 64, .disk = 64});
  for (std::uint64_t h = 1; h <= 4; ++h) {
    const Hashes one{h};
    ASSERT_TRUE(kv.take(64));
    kv.publish(one, 0, 1);
    kv.unpin(one, 1);
  }
  EXPECT_EQ(kv.cached(), 64);
  EXPECT_EQ(kv.host_tokens(), 64);
  EXPECT_EQ(kv.disk_tokens(), 64);
  EXPECT_EQ(kv.match(Hashes{1}).blocks, 0);  // fell off the end
  EXPECT_EQ(kv.match(Hashes{2}).disk, 1);
  EXPECT_EQ(kv.match(Hashes{3}).host, 1);
  ASSERT_TRUE(kv.pin(Hashes{2}, 1));  // back up; 4 makes room and moves down
  EXPECT_EQ(kv.in_use(), 64);
  EXPECT_LE(kv.in_use() + kv.cached(), kv.capacity());
  kv.unpin(Hashes{2}, 1);
  ASSERT_TRUE(kv.take(64));
  EXPECT_THROW(kv.clear(), std::logic_error);
}
}  // namespace
}  // namespace moesim::serving
