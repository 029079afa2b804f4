// moesim show CLUSTER --collectives: what library collectives take on it, by every algorithm.
#include <fmt/format.h>

#include <optional>

#include "cli/catalogue_text.h"
#include "cli/show.h"
#include "formats/json.h"
#include "network/collective.h"
#include "record/summary.h"

namespace moesim {
namespace {
constexpr std::int64_t kSizes[] = {10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

/// GPUs that run collectives together: a node's, and all of the cluster.
struct Group {
  int nodes = 1;
  std::vector<GpuId> members, pair;  // pair: who exchanges point to point
};
std::vector<Group> groups_of(const Cluster& cluster) {
  std::vector<Group> out;
  for (const int nodes : {1, cluster.nodes}) {
    Group group{nodes, {}, {GpuId(0), GpuId(nodes == 1 ? 1 : cluster.node.gpus)}};
    for (int g = 0; g < nodes * cluster.node.gpus; ++g) group.members.push_back(GpuId(g));
    if (group.members.size() > 1 && (nodes > 1 || out.empty())) out.push_back(std::move(group));
  }
  return out;
}

/// Empty if the algorithm does not do this.
std::optional<std::vector<Time>> times(const Topology& topology, const NetworkCalibration& calibration, Collective what,
                                       CollectiveAlgorithm algorithm, const std::vector<GpuId>& members) {
  std::vector<Time> out;
  try {
    for (const std::int64_t bytes : kSizes)
      out.push_back(collective_time(topology, calibration, what, algorithm, members, {bytes}));
  } catch (const ConfigError&) {
    return std::nullopt;
  }
  return out;
}
}  // namespace

std::string show_collectives(const Cluster& cluster, bool json) {
  const Topology topology(cluster);
  const NetworkCalibration calibration = network_calibration_for("auto", cluster.node.gpu);
  std::vector<std::string> head = {"collective", "algorithm", "GPUs", "nodes"};
  for (const std::int64_t bytes : kSizes) head.push_back(pretty(double(bytes), "B"));
  TextTable table(head);
  Json all = Json::array();
  for (const Group& group : groups_of(cluster))
    for (const auto& [what_name, what] : EnumNames<Collective>::table) {
      const std::vector<GpuId>& members = what == Collective::point_to_point ? group.pair : group.members;
      for (const auto& [name, algorithm] : EnumNames<CollectiveAlgorithm>::table) {
        const auto takes = times(topology, calibration, what, algorithm, members);
        if (!takes) continue;
        std::vector<std::string> row = {std::string(what_name), std::string(name), fmt::to_string(members.size()),
                                        fmt::to_string(std::min(group.nodes, int(members.size())))};
        Json seconds_by_bytes = Json::object();
        for (std::size_t i = 0; i < takes->size(); ++i) {
          row.push_back(pretty(seconds((*takes)[i]), "s"));
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
  if (json) return Json{{"name", cluster.name}, {"calibration", calibration.name}, {"collectives", all}}.dump(2) + "\n";
  return fmt::format("{} ({}), alone on the network, calibration {}: {}\n{}", cluster.title, cluster.name,
                     calibration.name, calibration.title, table.text());
}
}  // namespace moesim
