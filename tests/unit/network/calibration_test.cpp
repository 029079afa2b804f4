// Which network calibration a GPU has, and what it says of what was measured on another.
#include <gtest/gtest.h>

#include "network/collectives/collective.h"
#include "spec/catalogue.h"

namespace moesim::network {
namespace {
NetworkCalibration of(const std::string& gpu) { return network_calibration_for("auto", spec::load_gpu(gpu)); }

TEST(NetworkCalibration, AGpuWithoutItsOwnTakesItsGenerationsAndSaysSo) {
  for (const char* own : {"h100", "h800"}) EXPECT_EQ(of(own).borrowed, "") << own;
  EXPECT_EQ(of("h200").name, "network-h100");
  EXPECT_EQ(of("h200").borrowed, "all of network-h100: nothing was measured on h200");
  EXPECT_EQ(of("gb200").collectives.size(), of("b200").collectives.size());
  EXPECT_FALSE(of("gb200").borrowed.empty());
  spec::Gpu next = spec::load_gpu("b200");
  next.name = "next";
  EXPECT_EQ(network_calibration_for("auto", next).name, "network-b200");
  next.generation = "unknown";
  EXPECT_EQ(network_calibration_for("auto", next).borrowed, "all of network-h100: nothing was measured on next");
}

// NCCL issue 1469: an all-reduce on 16 nodes of H100 takes 62 us for 64 bytes and 76 us for 2 KiB.
TEST(NetworkCalibration, SmallAllReducesOnManyNodes) {
  spec::Cluster cluster;
  cluster.node = spec::load_node("hgx-h100");
  cluster.nodes = 16;
  cluster.fabric = spec::load_fabric("ib-rail");
  const Topology topology(cluster);
  std::vector<GpuId> members;
  for (int g = 0; g < cluster.gpus(); ++g) members.push_back(GpuId(std::uint32_t(g)));
  const auto time = [&](Bytes bytes) {
    return seconds(collective_time(topology, of("h100"), Collective::all_reduce, CollectiveAlgorithm::best, members,
                                   bytes)) *
           1e6;
  };
  EXPECT_NEAR(time(64_B), 62, 3);
  EXPECT_GT(time(2048_B), 62);
  EXPECT_LT(time(2048_B), 76);
}
}  // namespace
}  // namespace moesim::network
