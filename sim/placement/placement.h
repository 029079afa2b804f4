// The placement family: which experts, and which copies of them, sit on which GPU, layer by layer.
#pragma once
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "core/family.h"
#include "exchange/expert_map.h"
#include "exchange/replica_choice.h"
#include "placement/loads.h"

namespace moesim::placement {

/// Where the experts of each layer may go.
struct PlacementProblem {
  int gpus = 1;
  int nodes = 1;                    // GPU g is on node g / (gpus / nodes)
  int slots = 0;                    // experts a layer can hold, copies included; 0 means one an expert
  int groups = 1;                   // of consecutive experts (the gate's), for the hierarchical policy
  bool keep_groups = false;         // every strategy keeps a group on one node
  std::vector<int> gpu_slots{};     // of each GPU; empty: slots / gpus each, the first `slots % gpus` GPUs one more
  std::vector<double> gpu_speed{};  // rows a second of each GPU, relative; empty: all the same

  int gpus_per_node() const { return gpus / nodes; }
  int slots_on(int gpu) const {
    return gpu_slots.empty() ? slots / gpus + (gpu < slots % gpus) : gpu_slots[std::size_t(gpu)];
  }
  double speed_of(int gpu) const { return gpu_speed.empty() ? 1 : gpu_speed[std::size_t(gpu)]; }
  /// Width of a GPU in ExpertMap: the most slots any GPU has; the others' last ones stay empty.
  int slots_per_gpu() const;
  /// GPUs with the same number of slots and speed.
  bool even() const;
};

/// What a placement of the row-th layer costs; lower is better.  Called from one thread, many times.
using LayerCost = std::function<double(std::size_t row, const exchange::ExpertMap&)>;

/// How a scenario gives a trace, for refusals of strategies that need one.
constexpr std::string_view kGiveTrace = "routing: {trace: FILE} or {record: {text: [FILE]}}";

struct PlacementInput {
  const Loads& loads;
  const PlacementProblem& problem;
  const RoutingSample* sample = nullptr;     // none when only loads are known
  LayerCost cost = nullptr;                  // what `traffic` and `local_search` minimise; none: their own closed form
  exchange::ReplicaSpec replica_choice{};    // who computes an expert's rows in that closed form
  std::string_view give_trace = kGiveTrace;  // how the user gives what `sample` is taken from
  std::span<const Loads> windows{};  // that `loads` is the mean of, same layers; fewer than two: only that is known
};

/// Decides which GPUs hold each expert.
class Placement {
 public:
  virtual ~Placement() = default;
  /// One map a row of input.loads.  Every expert gets at least one slot, no GPU more than its slots, copies of one
  /// expert lie on different GPUs where the policy can choose.  Same input, same result; equal loads go by lower id.
  /// The input has passed check_problem().  Throws ConfigError for what this policy cannot do.
  virtual std::vector<exchange::ExpertMap> place(const PlacementInput& input) const = 0;
};

/// Runs a policy the way everything outside this folder should: checks the problem, keeps groups on nodes if asked
/// (the policy then runs inside each node), and holds the policy to its promises (throws std::logic_error).
std::vector<exchange::ExpertMap> plan(const Placement& placement, const PlacementInput& input);

/// Every way to place, in the order `moesim list placement` shows.
const Family<Placement>& placements();

/// Fills in defaults (slots) and throws ConfigError at its key ("slots") if the experts cannot be placed: too few
/// slots, nodes that do not divide the GPUs, groups that do not divide the experts, ...
PlacementProblem checked(PlacementProblem problem, int experts);
}  // namespace moesim::placement
