// What holds for library collectives at every scale, far beyond the groups that were measured.
#include <gtest/gtest.h>

#include "network/collectives/engine_all_reduce.h"
#include "spec/catalogue.h"

namespace moesim::network {
namespace {
struct Curve {
  std::string cluster;
  Collective what;
  int members;
  std::vector<double> seconds;  // of 1 KiB, and of twice as much each
};
/// Of parts of a node and of many nodes: as measured, with slower NVLink, and in the largest NVLink domains.
std::vector<Curve> computed() {
  std::vector<Curve> out;
  for (const std::string name : {"h100-4096", "h800-2048", "gb200-576"}) {
    const spec::Cluster cluster = spec::load_cluster(name);
    const Topology topology(cluster);
    const NetworkCalibration calibration = network_calibration_for("auto", cluster.node.gpu);
    std::vector<GpuId> members;
    const int node = cluster.node.gpus, most = std::min(2048, cluster.gpus());
    for (int n = 2; n <= most; n = n < node ? std::min(2 * n, node) : 2 * n) {
      while (int(members.size()) < n) members.push_back(GpuId(members.size()));
      for (const auto& [what_name, what] : enum_names(Collective{})) {
        if (what == Collective::point_to_point && n > 2) continue;
        Curve& curve = out.emplace_back(Curve{name, what, n, {}});
        for (std::int64_t bytes = 1024; bytes <= std::int64_t(1) << 32; bytes *= 2)
          curve.seconds.push_back(
              seconds(collective_time(topology, calibration, what, CollectiveAlgorithm::best, members, {bytes})));
      }
    }
  }
  return out;
}
const std::vector<Curve>& curves() {
  static const std::vector<Curve> all = computed();
  return all;
}

TEST(CollectiveLaw, TwiceTheBytesTakeHardlyLessAndHardlyMoreThanTwiceTheTime) {
  for (const Curve& c : curves())
    for (std::size_t i = 1; i < c.seconds.size(); ++i) {
      const double ratio = c.seconds[i] / c.seconds[i - 1];
      // The library leaves a protocol by its estimates.  Too late, and more bytes are faster: worst in a domain of 72,
      // where the next protocol's many steps are thought longer than they are.  Too early, and they pay a longer
      // launch.
      EXPECT_GE(ratio, 0.8) << c.cluster << " " << name_of(c.what) << " of " << c.members << ", 2^" << i + 10;
      EXPECT_LE(ratio, 2.25) << c.cluster << " " << name_of(c.what) << " of " << c.members << ", 2^" << i + 10;
    }
}

TEST(CollectiveLaw, NoBytesTravelFasterThanTheLinks) {
  for (const Curve& c : curves()) {
    const spec::Cluster cluster = spec::load_cluster(c.cluster);
    const double bytes = double(std::int64_t(1) << 32), n = c.members;
    // All but sums in the switch must move (n - 1) / n of the bytes out of every GPU, over whatever ports it has.
    const double rate = cluster.node.gpu.nvlink.v + (c.members > cluster.node.gpus ? cluster.node.nic.v : 0);
    EXPECT_GE(c.seconds.back(), bytes * (n - 1) / n / rate) << c.cluster << " " << name_of(c.what) << " of " << n;
  }
}

TEST(CollectiveLaw, OfSmallMessagesMoreMembersTakeHardlyLess) {
  const std::vector<Curve>& all = curves();
  for (const Curve& few : all)
    for (const Curve& many : all) {
      if (few.cluster != many.cluster || few.what != many.what || many.members != 2 * few.members) continue;
      if (few.what == Collective::all_to_all) continue;  // a pair of more members has less to move
      EXPECT_GE(many.seconds.front(), few.seconds.front())
          << many.cluster << " " << name_of(many.what) << " of " << many.members;
    }
}

TEST(CollectiveLaw, EnginesKernelsTakeLongerForMoreBytesAndNeverBeatTheLinks) {
  for (const std::string gpu : {"a100", "h100", "h200", "h800", "b200"}) {
    const spec::Cluster cluster = spec::load_cluster(gpu == "a100" ? "a100-64" : gpu == "b200" ? "b200-64" : "h100-96");
    const Topology topology(cluster);
    const NetworkCalibration calibration = network_calibration_for("auto", spec::load_gpu(gpu));
    for (const auto& engine : calibration.engine_all_reduce)
      for (const int n : {2, 4, 8}) {
        std::vector<GpuId> members;
        for (int g = 0; g < n; ++g) members.push_back(GpuId(g));
        Time before{};
        for (std::int64_t bytes = 256; bytes <= 64 << 20; bytes *= 2) {
          const EngineCall call = engine_all_reduce(topology, calibration, engine.kernels, members, {bytes});
          if (call.shots == Shots::library) break;
          EXPECT_GT(call.time, before) << gpu << " " << engine.kernels << " " << n << " " << bytes;
          EXPECT_GE(seconds(call.time), 2.0 * (n - 1) / n * double(bytes) / cluster.node.gpu.nvlink.v);
          before = call.time;
        }
      }
  }
}
}  // namespace
}  // namespace moesim::network
