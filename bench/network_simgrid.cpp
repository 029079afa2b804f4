// The same flows on the same links here and in SimGrid: their times, and how long each takes to find them.
// Built only where SimGrid is installed (Debian: libsimgrid-dev):  ninja network_simgrid && bench/network_simgrid
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <simgrid/s4u.hpp>

#include "core/random.h"
#include "network/sharing/fluid_links.h"
#include "network/topology/topology.h"

namespace moesim::network {
namespace {
namespace sg4 = simgrid::s4u;
using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Flow {
  int from, to;
  std::int64_t bytes;
};

/// Eight GPUs a node, 200 GB/s NVLink, 400 Gb/s adapters on rails, no latency: SimGrid starts a flow after its latency,
/// we end it after.
spec::Cluster nodes_of_eight(int nodes) {
  spec::Cluster c;
  c.nodes = nodes;
  c.node.gpu.nvlink = 200_GBps;
  c.node.gpus = c.node.nics = 8;
  c.node.nic = 400_Gbps;
  return c;
}

struct Outcome {
  std::vector<double> end;  // seconds, by flow
  double wall = 0;
};

class Ends final : public network::Receiver {
 public:
  Ends(Engine& engine, std::size_t flows) : end(flows), engine_(engine) {}
  void arrived(std::uint32_t tag) override { end[tag] = seconds(engine_.now()); }
  std::vector<double> end;

 private:
  Engine& engine_;
};

Outcome here(const network::Topology& topology, const std::vector<Flow>& flows) {
  const auto start = Clock::now();
  Engine engine;
  network::FluidLinks fluid(engine, topology.links(), 0, {});
  Ends ends(engine, flows.size());
  for (std::uint32_t i = 0; i < flows.size(); ++i)
    fluid.start(topology.route(GpuId(flows[i].from), GpuId(flows[i].to)), {flows[i].bytes}, double(flows[i].bytes), {},
                ends, i);
  engine.run();
  return {ends.end, since(start)};
}

/// One platform a process: SimGrid's engine cannot be made twice, so a second case continues the clock of the first.
Outcome simgrid(const network::Topology& topology, const std::vector<Flow>& flows, sg4::Engine& engine,
                const std::string& name) {
  auto* zone = sg4::create_full_zone(name);
  std::vector<sg4::Host*> hosts;
  for (int g = 0; g < topology.gpus(); ++g) hosts.push_back(zone->create_host(fmt::format("{}-{}", name, g), 1e9));
  std::vector<sg4::Link*> links;
  for (std::size_t l = 0; l < topology.links().size(); ++l)
    links.push_back(zone->create_link(fmt::format("{}-{}", name, topology.link_name(LinkId(l))),
                                      topology.links()[LinkId(l)].capacity.v)
                        ->seal());
  for (const Flow& f : flows) {
    std::vector<sg4::LinkInRoute> path;
    for (const LinkId l : topology.route(GpuId(f.from), GpuId(f.to))) path.emplace_back(links[index(l)]);
    zone->add_route(hosts[std::size_t(f.from)]->get_netpoint(), hosts[std::size_t(f.to)]->get_netpoint(), nullptr,
                    nullptr, path, false);
  }
  zone->seal();
  Outcome out;
  out.end.resize(flows.size());
  const auto start = Clock::now();
  sg4::Actor::create("driver", hosts[0], [&] {
    std::vector<sg4::CommPtr> comms;
    const double begin = sg4::Engine::get_clock();
    for (const Flow& f : flows)
      comms.push_back(
          sg4::Comm::sendto_async(hosts[std::size_t(f.from)], hosts[std::size_t(f.to)], std::uint64_t(f.bytes)));
    for (std::size_t i = 0; i < comms.size(); ++i) {
      comms[i]->wait();
      out.end[i] = comms[i]->get_finish_time() - begin;
    }
  });
  engine.run();
  out.wall = since(start);
  return out;
}

std::vector<Flow> all_pairs(int gpus, bool skewed) {
  Random random(1, "flows");
  std::vector<double> heat;
  for (int g = 0; g < gpus; ++g) heat.push_back(random.log_normal(0, 0.7));
  std::vector<Flow> out;
  for (int from = 0; from < gpus; ++from)
    for (int to = 0; to < gpus; ++to)
      if (from != to)
        out.push_back(
            {from, to,
             skewed ? std::int64_t(1e7 * heat[std::size_t(to)] * (0.5 + random.uniform())) : std::int64_t(1) << 20});
  return out;
}

bool compare(sg4::Engine& engine, const std::string& name, int gpus, bool skewed) {
  const network::Topology topology(nodes_of_eight(gpus / 8));
  const std::vector<Flow> flows = all_pairs(gpus, skewed);
  const Outcome ours = here(topology, flows), theirs = simgrid(topology, flows, engine, name);
  double worst = 0;
  for (std::size_t i = 0; i < flows.size(); ++i) worst = std::max(worst, std::abs(ours.end[i] / theirs.end[i] - 1));
  fmt::print("{:<24} {:>6} flows  largest difference {:>8.5f} %  here {:>8.4f} s  SimGrid {:>8.3f} s  ratio {:>7.0f}\n",
             name, flows.size(), 100 * worst, ours.wall, theirs.wall, theirs.wall / ours.wall);
  return worst < 0.01;
}
}  // namespace
}  // namespace moesim::network

int main(int argc, char** argv) {
  const std::string which = argc > 1 ? argv[1] : "small";
  simgrid::s4u::Engine engine(&argc, argv);
  for (const char* setting : {"network/model:CM02", "network/crosstraffic:0", "network/TCP-gamma:0",
                              "network/latency-factor:1", "network/bandwidth-factor:1", "network/weight-S:0"})
    simgrid::s4u::Engine::set_config(setting);
  bool good = true;
  if (which == "small") good = moesim::network::compare(engine, "16 GPUs, skewed", 16, true);
  if (which == "medium") good = moesim::network::compare(engine, "64 GPUs, skewed", 64, true);
  if (which == "large") good = moesim::network::compare(engine, "256 GPUs, equal", 256, false);
  return good ? 0 : 1;
}
