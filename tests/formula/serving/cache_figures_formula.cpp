// What caches of keys and values take and what it takes to fetch them, and ports that GPUs share.
#include "common/test_cluster.h"
#include "served.h"
#include "serving/step/port_use.h"
#include "support/pin.h"
#include "support/temporary_folder.h"

namespace moesim::serving {
namespace {
using test::pin;

/// Three blocks of 512 tokens and 64 more, twice, with another prompt of as much between; a cache of four blocks.
Served evicted(const std::string& tiers) {
  const TemporaryFolder folder;
  const std::string file = folder.write(
      "blocks.jsonl", R"({"timestamp": 0, "input_length": 1600, "output_length": 1, "hash_ids": [1, 2, 3, 9]}
{"timestamp": 10000, "input_length": 1600, "output_length": 1, "hash_ids": [4, 5, 6, 8]}
{"timestamp": 20000, "input_length": 1600, "output_length": 1, "hash_ids": [1, 2, 3, 7]}
)");
  return run(on_unit_gpus("deepseek-v2-lite", kBoundless, 1,
                          "routing: balanced\nserving:\n  workload: {kind: mooncake, file: " + file +
                              "}\n  pools: [{overhead: 10 ms, kv: {capacity: 2048, " + tiers + "}}]\n"));
}

// 27 layers keep 512 + 64 numbers in BF16: 31,104 bytes a token, of 1,536 tokens.
TEST(CacheFigures, WhatLiesOnDiskComesAtTheDisksRate) {
  const double bytes = 27 * (512 + 64) * 2 * 1536.0;
  const Served disk = evicted("disk: 1 GB, disk_bandwidth: 100 MB/s");
  pin(*disk.results, "kv_hit_rate", "run", 1536.0 / 4800);
  pin(*disk.results, "ttft_p999", "run", 0.01 + bytes / 1e8, 1e-3);
  pin(*disk.results, "ttft_p50", "run", 0.01, 1e-3);
  // From host memory at the node's 10 GB/s.
  const Served host = evicted("host: 1 GB");
  pin(*host.results, "kv_hit_rate", "run", 1536.0 / 4800);
  pin(*host.results, "ttft_p999", "run", 0.01 + bytes / 10e9, 1e-3);
  const Served none = evicted("host: 0 GB");
  EXPECT_EQ(none.at("kv_hit_rate"), 0);
}

// Half of gpt-oss's layers keep the last 128 tokens: of 1,000 a request takes 128 and half of 872, in pages of 64; of a
// quarter of the layers, three quarters of them.
TEST(CacheFigures, TokensBeyondAWindowTakeTheShareOfTheLayersThatKeepThem) {
  const auto peak = [](const std::string& model) {
    const Served r = run(on_unit_gpus(model, kBoundless, 1,
                                      "routing: balanced\nserving:\n  workload: {kind: constant, rate: 1, limit: 3, "
                                      "input: {kind: fixed, mean: 1000}, "
                                      "output: {kind: fixed, mean: 2}}\n  pools: [{kv: {capacity: 6400}}]\n"));
    return r.at("kv_peak", "pool:both") * 6400;
  };
  EXPECT_EQ(peak("gpt-oss-20b"), 576);                                                          // 128 + 436 = 564
  EXPECT_EQ(peak("{extends: gpt-oss-20b, layers: 4, attention: {sliding_layers: [0]}}"), 832);  // 128 + 654 = 782
  EXPECT_EQ(peak("{extends: gpt-oss-20b, attention: {sliding_window: 0, sliding_layers: []}}"), 1024);
}

// Two nodes of two GPUs with an adapter of 1 B/s: each GPU's part is half of it.  A quarter of a byte in a second takes
// half of that.
TEST(CacheFigures, AnAdapterThatTwoGpusShareIsHalfOfEach) {
  spec::Cluster cluster = test::unit_cluster(2, 2);
  for (const int nics : {1, 2}) {
    cluster.node.nics = nics;
    const network::Topology topology(cluster);
    const network::ExchangeGroup group(topology, GpuId{0}, 4);
    PortUse ports(group, network::NetworkCalibration{});
    ports.stepped(1);
    ports.add(2, 0.25, 1);
    EXPECT_DOUBLE_EQ(ports.rate(2), nics / 2.0);
    ASSERT_EQ(ports.left().size(), 1u);
    EXPECT_DOUBLE_EQ(ports.left()[0].share, nics == 1 ? 0.5 : 0.75);
  }
}
}  // namespace
}  // namespace moesim::serving
