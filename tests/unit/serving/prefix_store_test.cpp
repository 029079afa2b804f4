// The store of prefixes that the ranks of a pool share.
#include "serving/instance/prefix_store.h"

#include "serving/instance/kv_cache.h"
#include "unit/serving/small_runs.h"

namespace moesim::serving {
namespace {
using Hashes = std::vector<std::uint64_t>;

TEST(PrefixStore, TheBlockAskedForLongestAgoMakesRoom) {
  PrefixStore store(2);
  store.put(1);
  store.put(2);
  store.put(1);  // 2 is now the oldest
  store.put(3);
  EXPECT_TRUE(store.has(1));
  EXPECT_FALSE(store.has(2));
  EXPECT_TRUE(store.has(3));
  EXPECT_EQ(store.blocks(), 2);
}

TEST(PrefixStore, WhatOneRankComputedAnotherReads) {
  KvShape shape{.capacity = 256, .block = 64, .hash_block = 64, .store = std::make_shared<PrefixStore>(100)};
  KvCache first(shape), second(shape);
  const Hashes chain{1, 2, 3};
  ASSERT_TRUE(first.take(192));
  first.publish(chain, 0, 3);
  const KvCache::Match match = second.match(chain);
  EXPECT_EQ(match.blocks, 3);
  EXPECT_EQ(match.remote, 3);
  ASSERT_TRUE(second.pin(chain, 3));
  EXPECT_EQ(second.in_use(), 192);
  EXPECT_EQ(second.match(chain).remote, 0);  // it lies on its own GPU now
  second.unpin(chain, 3);
  EXPECT_EQ(second.in_use(), 0);
  EXPECT_EQ(second.cached(), 192);
  first.unpin(chain, 3);
  first.clear();  // the GPU is lost, the store is not
  EXPECT_EQ(first.match(chain).remote, 3);
}

TEST(PrefixStore, ChainsEndWhereTheStoreDoes) {
  KvShape shape{.capacity = 256, .block = 64, .hash_block = 64, .store = std::make_shared<PrefixStore>(2)};
  KvCache first(shape), second(shape);
  const Hashes chain{1, 2, 3};
  ASSERT_TRUE(first.take(192));
  first.publish(chain, 0, 3);  // 1 made room for 3
  EXPECT_EQ(second.match(chain).blocks, 0);
  EXPECT_EQ(second.match(Hashes{2, 3}).blocks, 2);
}

// Three prefixes on sixteen ranks: without a store, each rank computes them for itself.
std::string shared_prefixes(const std::string& kv) {
  return "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}\nrouting: {kind: balanced}\n"
         "serving:\n  duration: 20 s\n  workload: {kind: poisson, rate: 5, input: {kind: fixed, mean: 1100}, output: "
         "{kind: fixed, mean: 2}, prefixes: {count: 3, tokens: 1024}}\n  balancer: round_robin\n"
         "  pools:\n    - {parallel: {data: 16}" +
         kv + "}\n";
}

TEST(PrefixStore, PrefixesOfOtherRanksAreReadOverTheNetwork) {
  const Ran alone = run(shared_prefixes("")), store = run(shared_prefixes(", kv: {remote: 100 GB}")),
            slow = run(shared_prefixes(", kv: {remote: 100 GB, remote_bandwidth: 100 MB/s}"));
  EXPECT_GT(store["kv_hit_rate"], 0.85);  // of 1,100 tokens 1,024 are shared, and three requests in a hundred first
  EXPECT_LT(alone["kv_hit_rate"], 0.6);   // 48 of about a hundred
  EXPECT_LT(store["ttft_p50"], alone["ttft_p50"]);
  EXPECT_GT(slow["ttft_p90"], store["ttft_p90"] * 2);  // 31 KB a token: 1,024 of them take 0.3 s
}

TEST(PrefixStore, IsRefusedWhereNothingCanBeShared) {
  EXPECT_NE(message(unit("    - {parallel: {data: 16}, kv: {remote: 1 GB}}\n"))
                .find("kv.remote: has no effect: the pool keeps no prefixes"),
            std::string::npos);
  EXPECT_NE(message(shared_prefixes(", kv: {remote_bandwidth: 1 GB/s}"))
                .find("kv.remote_bandwidth: has no effect without kv.remote"),
            std::string::npos);
}
}  // namespace
}  // namespace moesim::serving
