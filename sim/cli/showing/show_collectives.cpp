// moesim show CLUSTER --collectives: what library collectives take on it, by every algorithm.
#include <fmt/format.h>

#include <optional>

#include "cli/show.h"
#include "cli/showing/catalogue_text.h"
#include "formats/json.h"
#include "network/collectives/collective.h"
#include "results/summary.h"

namespace moesim::cli {
namespace {
constexpr std::int64_t kSizes[] = {10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

/// GPUs that run collectives together: a node's, and all of the cluster.
struct Group {
  int nodes = 1;
  std::vector<GpuId> members, pair;  // pair: who exchanges point to point
};
std::vector<Group> groups_of(const spec::Cluster& cluster) {
  std::vector<Group> out;
  for (const int nodes : {1, cluster.nodes}) {
    Group group{nodes, {}, {GpuId(0), GpuId(nodes == 1 ? 1 : cluster.node.gpus)}};
    for (int g = 0; g < nodes * cluster.node.gpus; ++g) group.members.push_back(GpuId(g));
    if (group.members.size() > 1 && (nodes > 1 || out.empty())) out.push_back(std::move(group));
  }
  return out;
}

/// Empty if the algorithm does not do this.
std::optional<std::vector<Time>> times(const network::Topology& topology,
                                       const network::NetworkCalibration& calibration, network::Collective what,
                                       network::CollectiveAlgorithm algorithm, const std::vector<GpuId>& members) {
  std::vector<Time> out;
  try {
    for (const std::int64_t bytes : kSizes)
      out.push_back(network::collective_time(topology, calibration, what, algorithm, members, {bytes}));
  } catch (const ConfigError&) {
    return std::nullopt;
  }
  return out;
}
}  // namespace

std::string show_collectives(const spec::Cluster& cluster, bool json) {
  const network::Topology topology(cluster);
  const network::NetworkCalibration calibration = network::network_calibration_for("auto", cluster.node.gpu);
  std::vector<std::string> head = {"collective", "algorithm", "GPUs", "nodes"};
  for (const std::int64_t bytes : kSizes) head.push_back(results::pretty(double(bytes), "B"));
  results::TextTable table(head);
  formats::Json all = formats::Json::array();
  for (const Group& group : groups_of(cluster))
    for (const auto& [what_name, what] : enum_names(network::Collective{})) {
      const std::vector<GpuId>& members = what == network::Collective::point_to_point ? group.pair : group.members;
      for (const auto& [name, algorithm] : enum_names(network::CollectiveAlgorithm{})) {
        const auto takes = times(topology, calibration, what, algorithm, members);
        if (!takes) continue;
        std::vector<std::string> row = {std::string(what_name), std::string(name), fmt::to_string(members.size()),
                                        fmt::to_string(std::min(group.nodes, int(members.size())))};
        formats::Json seconds_by_bytes = formats::Json::object();
        for (std::size_t i = 0; i < takes->size(); ++i) {
          row.push_back(results::pretty(seconds((*takes)[i]), "s"));
          seconds_by_bytes[fmt::to_string(kSizes[i])] = seconds((*takes)[i]);
        }
        all.push_back({{"collective", what_name},
                       {"algorithm", name},
                       {"gpus", members.size()},
                       {"nodes", std::min(group.nodes, int(members.size()))},
                       {"seconds", seconds_by_bytes}});
        table.add(row);
      }
    }
  if (json)
    return formats::json_text({{"name", cluster.name}, {"calibration", calibration.name}, {"collectives", all}}, 2) +
           "\n";
  return fmt::format("{} ({}), alone on the network, calibration {}: {}\n{}", cluster.title, cluster.name,
                     calibration.name, calibration.title, table.text());
}
}  // namespace moesim::cli
