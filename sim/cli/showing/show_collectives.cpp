// moesim show CLUSTER --collectives: what library collectives take on it by every algorithm, and engines' all-reduce.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "cli/show.h"
#include "cli/showing/catalogue_text.h"
#include "formats/json.h"
#include "network/collectives/engine_all_reduce.h"
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

/// What one collective takes by each algorithm, and an all-reduce by each engine's kernels.
struct Line {
  std::string collective, algorithm;
  std::vector<Time> takes;  // by size
};
class Lines {
 public:
  Lines(const network::Topology& topology, const network::NetworkCalibration& calibration)
      : topology_(topology), calibration_(calibration) {}

  std::vector<Line> of(network::Collective what, const std::vector<GpuId>& members) const {
    std::vector<Line> out;
    for (const auto& [name, algorithm] : enum_names(network::CollectiveAlgorithm{}))
      add(out, what, name, [&, algorithm = algorithm](Bytes bytes) {
        return network::collective_time(topology_, calibration_, what, algorithm, members, bytes);
      });
    if (what != network::Collective::all_reduce) return out;
    for (const auto& engine : calibration_.engine_all_reduce) {
      const auto call = [&](Bytes bytes) {
        return network::engine_all_reduce(topology_, calibration_, engine.kernels, members, bytes);
      };
      if (call({kSizes[0]}).shots == network::Shots::library) continue;  // its kernels do not serve these GPUs
      add(out, what, engine.kernels, [&](Bytes bytes) { return call(bytes).time; });
    }
    return out;
  }

 private:
  /// Nothing if the algorithm does not do this.
  template <class Takes>
  static void add(std::vector<Line>& out, network::Collective what, std::string_view name, Takes takes) {
    Line line{std::string(name_of(what)), std::string(name), {}};
    try {
      for (const std::int64_t bytes : kSizes) line.takes.push_back(takes({bytes}));
    } catch (const ConfigError&) {
      return;
    }
    out.push_back(std::move(line));
  }
  const network::Topology& topology_;
  const network::NetworkCalibration& calibration_;
};
}  // namespace

std::string show_collectives(const spec::Cluster& cluster, bool json) {
  const network::Topology topology(cluster);
  const network::NetworkCalibration calibration = network::network_calibration_for("auto", cluster.node.gpu);
  std::vector<std::string> head = {"collective", "algorithm", "GPUs", "nodes"};
  for (const std::int64_t bytes : kSizes) head.push_back(results::pretty(double(bytes), "B"));
  results::TextTable table(head);
  formats::Json all = formats::Json::array();
  const Lines lines(topology, calibration);
  for (const Group& group : groups_of(cluster))
    for (const auto& [what_name, what] : enum_names(network::Collective{})) {
      const std::vector<GpuId>& members = what == network::Collective::point_to_point ? group.pair : group.members;
      const int nodes = std::min(group.nodes, int(members.size()));
      for (const Line& line : lines.of(what, members)) {
        std::vector<std::string> row = {line.collective, line.algorithm, fmt::to_string(members.size()),
                                        fmt::to_string(nodes)};
        formats::Json seconds_by_bytes = formats::Json::object();
        for (std::size_t i = 0; i < line.takes.size(); ++i) {
          row.push_back(results::pretty(seconds(line.takes[i]), "s"));
          seconds_by_bytes[fmt::to_string(kSizes[i])] = seconds(line.takes[i]);
        }
        all.push_back({{"collective", line.collective},
                       {"algorithm", line.algorithm},
                       {"gpus", members.size()},
                       {"nodes", nodes},
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
