#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "placement/planning/packing.h"

namespace moesim::placement {

// One per policy file.
Strategy<Placement> contiguous(), round_robin(), random_placement(), greedy(), eplb(), eplb_hierarchical(),
    eplb_global(), robust(), affinity(), coactivation(), joint(), traffic_aware(), local_search();

const Family<Placement>& placements() {
  static const Family<Placement> family(
      "placement", {contiguous(), round_robin(), random_placement(), greedy(), eplb(), eplb_hierarchical(),
                    eplb_global(), robust(), affinity(), coactivation(), joint(), traffic_aware(), local_search()});
  return family;
}

int PlacementProblem::slots_per_gpu() const {
  int most = 0;
  for (int g = 0; g < gpus; ++g) most = std::max(most, slots_on(g));
  return most;
}

bool PlacementProblem::even() const {
  for (int g = 1; g < gpus; ++g)
    if (slots_on(g) != slots_on(0) || speed_of(g) != speed_of(0)) return false;
  return true;
}

PlacementProblem checked(PlacementProblem p, int experts) {
  const auto require = [&]<class... Args>(bool holds, const char* key, fmt::format_string<Args...> format,
                                          Args&&... args) {
    if (!holds) throw ConfigError(key, fmt::format(format, std::forward<Args>(args)...));
  };
  constexpr int kMost = 1 << 16;  // GPUs and slots beyond any system's, below what memory holds
  require(p.gpus > 0, "gpus", "must be at least 1, got {}", p.gpus);
  require(p.gpus <= kMost, "gpus", "must be at most {}, got {}", kMost, p.gpus);
  require(p.slots <= kMost, "slots", "must be at most {}, got {}", kMost, p.slots);
  require(p.nodes > 0 && p.gpus % p.nodes == 0, "nodes", "must divide the {} GPUs, got {}", p.gpus, p.nodes);
  require(p.groups > 0 && experts % p.groups == 0, "groups", "must divide the {} experts, got {}", experts, p.groups);
  require(p.gpu_slots.empty() || p.gpu_slots.size() == std::size_t(p.gpus), "gpu_slots",
          "must list the {} GPUs, got {}", p.gpus, p.gpu_slots.size());
  require(p.gpu_speed.empty() || p.gpu_speed.size() == std::size_t(p.gpus), "gpu_speed",
          "must list the {} GPUs, got {}", p.gpus, p.gpu_speed.size());
  for (const int n : p.gpu_slots) require(n >= 0, "gpu_slots", "must not be negative, got {}", n);
  for (const double s : p.gpu_speed) require(s > 0, "gpu_speed", "must be positive, got {}", s);
  const int listed = std::accumulate(p.gpu_slots.begin(), p.gpu_slots.end(), 0);
  if (p.slots == 0) p.slots = p.gpu_slots.empty() ? experts : listed;
  require(p.gpu_slots.empty() || p.slots == listed, "slots", "must be the {} that gpu_slots add up to, got {}", listed,
          p.slots);
  require(p.slots >= experts, "slots", "must hold the {} experts, got {}", experts, p.slots);
  require(!p.keep_groups || p.groups % p.nodes == 0, "groups",
          "must be a multiple of the {} nodes to be kept there, got {}", p.nodes, p.groups);
  for (int n = 0; p.keep_groups && n < p.nodes; ++n) {
    int room = 0;
    for (int g = n * p.gpus_per_node(); g < (n + 1) * p.gpus_per_node(); ++g) room += p.slots_on(g);
    require(room >= experts / p.nodes, "keep_groups", "node {} has {} slots for the {} experts of its groups", n, room,
            experts / p.nodes);
  }
  return p;
}

namespace {
/// Heaviest group first, to the least loaded node with room for it: the groups of each node.
std::vector<std::vector<int>> groups_of_nodes(std::span<const double> load, const PlacementProblem& p) {
  std::vector<double> weight(std::size_t(p.groups), 0), sum(std::size_t(p.nodes), 0);
  const std::size_t size = load.size() / std::size_t(p.groups);
  for (std::size_t e = 0; e < load.size(); ++e) weight[e / size] += load[e];
  std::vector<std::vector<int>> out(std::size_t(p.nodes));
  for (const int group : by_load(weight)) {
    std::size_t best = out.size();
    for (std::size_t n = 0; n < out.size(); ++n)
      if (int(out[n].size()) < p.groups / p.nodes && (best == out.size() || sum[n] < sum[best])) best = n;
    out[best].push_back(group);
    sum[best] += weight[std::size_t(group)];
  }
  return out;
}

/// One node of one layer as a problem of its own; experts numbered as they come.
struct NodeProblem {
  Loads loads;
  std::vector<Loads> windows;
  PlacementProblem problem;
  RoutingSample sample;
  std::vector<int> expert;  // of each number
};
NodeProblem node_problem(const PlacementInput& in, std::size_t row, int node, std::span<const int> groups) {
  const PlacementProblem& p = in.problem;
  const int size = in.loads.experts / p.groups, per_node = p.gpus_per_node();
  NodeProblem out;
  std::vector<int> number(std::size_t(in.loads.experts), -1);
  for (const int group : groups)
    for (int e = group * size; e < (group + 1) * size; ++e) {
      number[std::size_t(e)] = int(out.expert.size());
      out.expert.push_back(e);
    }
  const auto part_of = [&](const Loads& whole) {
    Loads part;
    for (const int e : out.expert) part.counts.push_back(whole.row(row)[std::size_t(e)]);
    part.experts = int(out.expert.size());
    part.layers = {whole.layers[row]};
    return part;
  };
  out.loads = part_of(in.loads);
  for (const Loads& window : in.windows) out.windows.push_back(part_of(window));
  out.problem.gpus = per_node;
  for (int g = node * per_node; g < (node + 1) * per_node; ++g) {
    out.problem.gpu_slots.push_back(p.slots_on(g));
    out.problem.gpu_speed.push_back(p.speed_of(g));
    out.problem.slots += p.slots_on(g);
  }
  if (in.sample) {
    out.sample = {in.sample->tokens, in.sample->top_k, {}, in.sample->dealt};
    for (std::size_t t = 0; t < in.sample->tokens; ++t)
      for (const int e : in.sample->chosen(row, t)) out.sample.ids.push_back(e < 0 ? -1 : number[std::size_t(e)]);
  }
  return out;
}

std::vector<exchange::ExpertMap> plan_by_node(const Placement& placement, const PlacementInput& in) {
  std::vector<exchange::ExpertMap> out;
  for (std::size_t row = 0; row < in.loads.rows(); ++row) {
    exchange::ExpertMap map = empty_map(in.loads.experts, in.problem);
    const auto groups = groups_of_nodes(in.loads.row(row), in.problem);
    for (int node = 0; node < in.problem.nodes; ++node) {
      const NodeProblem part = node_problem(in, row, node, groups[std::size_t(node)]);
      const exchange::ExpertMap inner = placement
                                            .place({.loads = part.loads,
                                                    .problem = part.problem,
                                                    .sample = in.sample ? &part.sample : nullptr,
                                                    .replica_choice = in.replica_choice,
                                                    .give_trace = in.give_trace,
                                                    .windows = part.windows})
                                            .at(0);
      for (int slot = 0; slot < inner.slots(); ++slot) {
        const int e = inner.slot_to_expert[std::size_t(slot)];
        const int gpu = node * in.problem.gpus_per_node() + inner.gpu_of(slot);
        if (e >= 0)
          map.slot_to_expert[std::size_t(gpu * map.slots_per_gpu + slot % inner.slots_per_gpu)] =
              part.expert[std::size_t(e)];
      }
    }
    out.push_back(std::move(map));
  }
  return out;
}
}  // namespace

std::vector<exchange::ExpertMap> plan(const Placement& placement, const PlacementInput& input) {
  const PlacementProblem problem = checked(input.problem, input.loads.experts);
  PlacementInput whole{input.loads,          problem,          input.sample, input.cost,
                       input.replica_choice, input.give_trace, input.windows};
  for (const Loads& window : input.windows)
    check(window.experts == input.loads.experts && window.layers == input.loads.layers,
          "a window of other layers or experts than the loads");
  const bool by_node = problem.keep_groups && problem.nodes > 1;
  std::vector<exchange::ExpertMap> maps = by_node ? plan_by_node(placement, whole) : placement.place(whole);
  check(maps.size() == input.loads.rows(), "a placement of {} layers has {} maps", input.loads.rows(), maps.size());
  for (const exchange::ExpertMap& map : maps) {
    exchange::check_map(map);
    for (int slot = 0; slot < map.slots(); ++slot)
      check(map.slot_to_expert[std::size_t(slot)] < 0 || slot % map.slots_per_gpu < problem.slots_on(map.gpu_of(slot)),
            "GPU {} holds more than its {} slots", map.gpu_of(slot), problem.slots_on(map.gpu_of(slot)));
  }
  return maps;
}
}  // namespace moesim::placement
