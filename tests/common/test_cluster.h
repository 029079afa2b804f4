// Small clusters with rates that can be worked out in the head.
#pragma once
#include <memory>
#include <string>

#include "core/config.h"
#include "core/engine.h"
#include "network/network.h"
#include "spec/hardware.h"

namespace moesim::test {

/// NVLink 1 B/s a GPU, adapters 1 B/s, no latency, one adapter a GPU, 64-port switches.
inline spec::Cluster unit_cluster(int nodes, int gpus_per_node) {
  spec::Cluster c;
  c.nodes = nodes;
  c.node.gpus = c.node.nics = gpus_per_node;
  c.node.gpu.nvlink = {1};
  c.node.nic = {1};
  return c;
}

/// Eight H800 a node, 400 Gb/s adapters, rails.
inline spec::Cluster h800_cluster(int nodes) {
  spec::Cluster c;
  c.nodes = nodes;
  c.node.gpu.name = "h800";
  c.node.gpu.nvlink = 200_GBps;
  c.node.gpus = c.node.nics = 8;
  c.node.nic = 400_Gbps;
  c.node.pcie = 64_GBps;
  c.fabric.same_leaf_latency = 2800_ns;
  c.fabric.cross_leaf_latency = 3700_ns;
  c.fabric.nvlink_latency = 3330_ns;
  return c;
}

/// text: what a scenario's `network:` says, for example "{kind: fluid, calibration: none}".
inline std::unique_ptr<network::Network> make_network(const std::string& text, Engine& engine,
                                                      const spec::Cluster& cluster) {
  return network::networks().make(Config::from_text(text, "network.yaml"), engine, cluster);
}
}  // namespace moesim::test
