#include "sizing/shared_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "compute/kernels/kernel_model.h"
#include "core/engine.h"
#include "network/network.h"
#include "routing/traffic.h"
#include "spec/catalogue.h"

namespace moesim::sizing {
namespace {
/// Throws what the first kind of node is refused for, unless another can have it: then it is that node's alone.
template <class Reads>
void for_some(const std::vector<PricedNode>& nodes, Reads&& reads) {
  std::exception_ptr first;
  for (const PricedNode& node : nodes) try {
      return reads(node);
    } catch (const ConfigError&) {
      if (!first) first = std::current_exception();
    }
  if (first) std::rethrow_exception(first);
}

/// The smallest that has links between nodes, where there may be several.
spec::Cluster cluster_of(const PricedNode& node, const std::string& file) {
  return spec::read_cluster(Config::from_text(
      fmt::format("{{node: {}, nodes: {}, fabric: {}}}", node.text, std::min(2, node.choice.most), node.choice.fabric),
      file));
}
}  // namespace

void check_shared_sections(const PlanHead& plan, const std::vector<PricedNode>& nodes) {
  const Config& top = plan.config;
  if (top.has("routing") && plan.model.moe) {
    for_some(nodes, [&](const PricedNode& n) {
      (void)routing::make_traffic(
          top.at("routing"),
          {routing::gate_shape(*plan.model.moe), {n.node.gpus, n.node.gpus}, plan.seed, std::nullopt});
    });
  }
  if (top.has("kernels"))
    for_some(nodes, [&](const PricedNode& n) { (void)compute::make_kernel_model(top, n.node.gpu); });
  if (top.has("network"))
    for_some(nodes, [&](const PricedNode& n) {
      Engine engine;
      const spec::Cluster cluster = cluster_of(n, plan.file);
      (void)network::networks().make_or(top, "network", "bottleneck", engine, cluster);
    });
}
}  // namespace moesim::sizing
