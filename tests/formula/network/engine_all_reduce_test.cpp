// Engines' all-reduce on unit hardware: 1 B/s, no latency.
#include "network/collectives/engine_all_reduce.h"

#include <gtest/gtest.h>

#include <map>

#include "common/test_cluster.h"

namespace moesim::network::engines {
namespace {
std::vector<GpuId> gpus(int count) {
  std::vector<GpuId> out;
  for (int g = 0; g < count; ++g) out.push_back(GpuId(g));
  return out;
}
NetworkCalibration with(const NetworkCalibration::EngineAllReduce& kernels) {
  NetworkCalibration out;
  out.engine_all_reduce = {kernels};
  return out;
}
EngineCall call(const NetworkCalibration& calibration, int gpus_of_node, int count, std::int64_t bytes,
                std::string_view kernels = "e") {
  return engine_all_reduce(Topology(test::unit_cluster(2, gpus_of_node)), calibration, kernels, gpus(count), {bytes});
}

TEST(EngineAllReduce, TakesOneShotWhileItIsTheFaster) {
  const NetworkCalibration c = with({.kernels = "e", .launch = 10_s, .peer = 1_s, .nvlink_share = 0.5, .second = 12_s});
  // 4 members: 10 + 3, and 3 x 4 bytes at half a byte a second.
  EXPECT_EQ(call(c, 4, 4, 4).shots, Shots::one);
  EXPECT_EQ(call(c, 4, 4, 4).time, 37_s);
  // 10 + 3 + 12, and 2 x 3/4 of 40 bytes: 60 / 0.5 = 120; one shot would read 120 bytes in 240 s.
  EXPECT_EQ(call(c, 4, 4, 40).shots, Shots::two);
  EXPECT_EQ(call(c, 4, 4, 40).time, 145_s);
  // Two members read each other's vector once, either way: the second shot never pays.
  EXPECT_EQ(call(c, 2, 2, 1000).shots, Shots::one);
  EXPECT_EQ(call(c, 2, 2, 1000).time, 2011_s);
}

TEST(EngineAllReduce, LeavesToTheLibraryWhatItsKernelsDoNotServe) {
  const auto shots = [](const NetworkCalibration& c, int gpus_of_node, int count, std::int64_t bytes,
                        std::string_view kernels = "e") { return call(c, gpus_of_node, count, bytes, kernels).shots; };
  const NetworkCalibration sized = with({.kernels = "e", .second = 1_s, .most = 8_B});
  EXPECT_EQ(shots(sized, 4, 4, 8), Shots::two);
  EXPECT_EQ(shots(sized, 4, 4, 9), Shots::library);
  EXPECT_EQ(call(sized, 4, 4, 12).time, 15_s);         // the switch adds up: 5/4 of 12 bytes
  EXPECT_EQ(shots(sized, 4, 8, 4), Shots::library);    // two nodes
  EXPECT_EQ(shots(sized, 16, 16, 4), Shots::library);  // more than the kernels are written for
  EXPECT_EQ(shots(sized, 4, 4, 4, ""), Shots::library);
  EXPECT_EQ(shots(sized, 4, 4, 4, "f"), Shots::library);
  const NetworkCalibration reading = with({.kernels = "e", .most_read = 30_B});
  EXPECT_EQ(shots(reading, 4, 4, 10), Shots::one);
  EXPECT_EQ(shots(reading, 4, 4, 11), Shots::library);
  EXPECT_EQ(shots(reading, 4, 2, 30), Shots::one);
}

TEST(EngineAllReduce, OverPciePairsAlone) {
  spec::Cluster cluster = test::unit_cluster(1, 4);
  cluster.node.pcie = cluster.node.gpu.nvlink;
  const NetworkCalibration c = with({.kernels = "e"});
  EXPECT_EQ(engine_all_reduce(Topology(cluster), c, "e", gpus(4), {4}).shots, Shots::library);
  EXPECT_EQ(engine_all_reduce(Topology(cluster), c, "e", gpus(2), {4}).shots, Shots::one);
}

TEST(EngineAllReduce, NothingForOneMemberOrNoBytes) {
  const NetworkCalibration c = with({.kernels = "e", .launch = 10_s});
  EXPECT_EQ(call(c, 4, 1, 4).time, Time{});
  EXPECT_EQ(call(c, 4, 4, 0).time, Time{});
  EXPECT_TRUE(engine_all_reduce_transfers(Topology(test::unit_cluster(1, 4)), c, "e", gpus(1), {4}).empty());
}

TEST(EngineAllReduce, EveryMemberReadsFromAllOthersWhatItsTimeIsOf) {
  const Topology topology(test::unit_cluster(1, 4));
  const NetworkCalibration c = with({.kernels = "e", .nvlink_share = 0.5, .second = 12_s});
  for (const auto& [bytes, read] : std::map<std::int64_t, std::int64_t>{{4, 4}, {40, 20}}) {  // one shot, two
    const std::vector<Transfer> all = engine_all_reduce_transfers(topology, c, "e", gpus(4), {bytes});
    EXPECT_EQ(all.size(), 12u);
    for (const Transfer& t : all) {
      EXPECT_NE(t.from, t.to);
      EXPECT_EQ(t.bytes.v, read);
      EXPECT_EQ(t.work.v, 2 * read);
    }
  }
}
}  // namespace
}  // namespace moesim::network::engines
