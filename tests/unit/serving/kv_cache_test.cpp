#include "serving/instance/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

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

TEST(KvCache, AStateTakesItsRoomWhateverTheLength) {
  const KvShape shape{.capacity = 1000, .block = 10, .state = 95};
  EXPECT_EQ(shape.space(1), 96);
  EXPECT_EQ(shape.space(100), 195);
  EXPECT_EQ(shape.fits(195), 100);
  EXPECT_EQ(shape.fits(50), 0);
  KvCache kv(shape);
  for (int request = 0; request < 10; ++request) EXPECT_TRUE(kv.take(kv.space(5)));  // 100 tokens each
  EXPECT_FALSE(kv.take(kv.space(1)));
  const KvShape windowed{.capacity = 1000, .block = 10, .window = 20, .beyond = 0.5, .state = 30};
  EXPECT_EQ(windowed.space(40), 30 + 20 + 10);
  EXPECT_EQ(windowed.fits(60), 40);
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

// A chain is of use from its first block on, so its last goes first, whether it was let go once or pinned again.
TEST(KvCache, AChainIsEvictedFromItsEndAndTheFirstLetGoBeforeTheSecond) {
  for (const bool again : {false, true}) {
    KvCache kv({.capacity = 6, .block = 1, .hash_block = 1});
    const Hashes first{1, 2, 3}, second{11, 12, 13};
    for (const Hashes& chain : {first, second}) {
      ASSERT_TRUE(kv.take(3));
      kv.publish(chain, 0, 3);
    }
    kv.unpin(first, 3);
    kv.unpin(second, 3);
    if (again) {  // the first chain is the younger one now
      ASSERT_TRUE(kv.pin(first, 3));
      kv.unpin(first, 3);
    }
    const Hashes& older = again ? second : first;
    const Hashes& younger = again ? first : second;
    for (int gone = 1; gone <= 6; ++gone) {
      ASSERT_TRUE(kv.take(1));
      EXPECT_EQ(kv.match(older).blocks, std::max(0, 3 - gone)) << gone << (again ? " again" : "");
      EXPECT_EQ(kv.match(younger).blocks, std::min(3, 6 - gone)) << gone << (again ? " again" : "");
    }
  }
}

// Pinned chains that lie in host memory come back whole; what they push down goes from the end of the other.
TEST(KvCache, PinningAChainFromBelowPushesTheOtherDownFromItsEnd) {
  KvCache kv({.capacity = 3, .block = 1, .hash_block = 1, .host = 3});
  const Hashes first{1, 2, 3}, second{11, 12, 13};
  for (const Hashes& chain : {first, second}) {
    ASSERT_TRUE(kv.take(3));
    kv.publish(chain, 0, 3);
    kv.unpin(chain, 3);
  }
  EXPECT_EQ(kv.match(first).host, 3);
  ASSERT_TRUE(kv.pin(first, 2));
  EXPECT_EQ(kv.match(second).host, 2);
  EXPECT_EQ(kv.match(Hashes{11}).host, 0);  // its first block is the last to go
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
  for (std::uint64_t h = 1; h <= 6; ++h) {
    const Hashes one{h};
    ASSERT_TRUE(kv.take(64));
    kv.publish(one, 0, 1);
    kv.unpin(one, 1);
  }
  EXPECT_EQ(kv.cached(), 64);
  for (std::uint64_t h = 1; h <= 3; ++h) EXPECT_EQ(kv.match(Hashes{h}).blocks, 0) << h;  // fell off the end
  const auto where = [&](std::uint64_t hash) {
    const KvCache::Match m = kv.match(Hashes{hash});
    return std::array{m.blocks, m.host, m.disk};
  };
  EXPECT_EQ(where(4), (std::array{1, 0, 1}));  // one block fits in each tier, and each is full
  EXPECT_EQ(where(5), (std::array{1, 1, 0}));
  EXPECT_EQ(where(6), (std::array{1, 0, 0}));
  ASSERT_TRUE(kv.pin(Hashes{4}, 1));  // back up; 6 makes room and moves down
  EXPECT_EQ(kv.in_use(), 64);
  EXPECT_LE(kv.in_use() + kv.cached(), kv.capacity());
  kv.unpin(Hashes{4}, 1);
  ASSERT_TRUE(kv.take(64));
  EXPECT_THROW(kv.clear(), std::logic_error);
}
}  // namespace
}  // namespace moesim::serving
