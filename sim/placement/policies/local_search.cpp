#include "placement/policies/local_search.h"

#include <algorithm>

#include "placement/planning/packing.h"
#include "placement/planning/used_together.h"
#include "placement/scores/exchange_cost.h"

namespace moesim::placement {
namespace {
/// One layer with the sums that a step changes.
class LayerSums {
 public:
  LayerSums(exchange::ExpertMap& map, const PlacementProblem& problem, std::span<const double> load)
      : map_(map), problem_(problem), load_(load), copies_(load.size(), 0), sum_(std::size_t(map.gpus), 0) {
    for (const int e : map.slot_to_expert)
      if (e >= 0) ++copies_[std::size_t(e)];
    for (std::size_t s = 0; s < map.slot_to_expert.size(); ++s) sum_[gpu_of(s)] += slot_load(s);
  }

  /// Takes the best step that makes the slowest GPU faster without making another as slow; false if there is none.
  bool step() {
    std::size_t worst = 0;
    for (std::size_t g = 1; g < sum_.size(); ++g)
      if (time(g) > time(worst)) worst = g;
    const double now = time(worst);
    Step best{now * (1 - 1e-9), 0, 0, false};  // gains below the sums' rounding are none
    const std::size_t width = std::size_t(map_.slots_per_gpu);
    for (std::size_t s = worst * width; s < (worst + 1) * width; ++s) {
      if (map_.slot_to_expert[s] < 0) continue;
      for (std::size_t t = 0; t < map_.slot_to_expert.size(); ++t) {
        if (t / width == worst) continue;
        try_swap(s, t, best);
        try_copy(s, t, now, best);
      }
    }
    if (best.after >= now * (1 - 1e-9)) return false;
    take(best);
    return true;
  }

 private:
  struct Step {
    double after;  // time of the slowest GPU that the step touches
    std::size_t from, to;
    bool copy;
  };
  std::size_t gpu_of(std::size_t slot) const { return slot / std::size_t(map_.slots_per_gpu); }
  double slot_load(std::size_t slot) const {
    const int e = map_.slot_to_expert[slot];
    return e < 0 ? 0 : load_[std::size_t(e)] / copies_[std::size_t(e)];
  }
  double time(std::size_t gpu) const { return sum_[gpu] / problem_.speed_of(int(gpu)); }
  bool may_use(std::size_t slot) const {
    return int(slot % std::size_t(map_.slots_per_gpu)) < problem_.slots_on(int(gpu_of(slot)));
  }
  bool holds(std::size_t gpu, int expert) const {
    const auto first = map_.slot_to_expert.begin() + std::ptrdiff_t(gpu) * map_.slots_per_gpu;
    return std::find(first, first + map_.slots_per_gpu, expert) != first + map_.slots_per_gpu;
  }

  void try_swap(std::size_t s, std::size_t t, Step& best) const {
    const double change = slot_load(s) - slot_load(t);
    if (change <= 0 || !may_use(t)) return;
    const std::size_t a = gpu_of(s), b = gpu_of(t);
    const double after =
        std::max((sum_[a] - change) / problem_.speed_of(int(a)), (sum_[b] + change) / problem_.speed_of(int(b)));
    if (after >= best.after || holds(b, map_.slot_to_expert[s])) return;
    if (map_.slot_to_expert[t] >= 0 && holds(a, map_.slot_to_expert[t])) return;
    best = {after, s, t, false};
  }

  /// Turns slot t, an empty one or a spare copy, into one more copy of the expert in slot s.
  void try_copy(std::size_t s, std::size_t t, double now, Step& best) const {
    const int wanted = map_.slot_to_expert[s], given = map_.slot_to_expert[t];
    if (given == wanted || !may_use(t) || (given >= 0 && copies_[std::size_t(given)] < 2)) return;
    if (holds(gpu_of(t), wanted)) return;
    const double one_less = given < 0 ? 0 : load_[std::size_t(given)] / (copies_[std::size_t(given)] - 1);
    const double one_more = load_[std::size_t(wanted)] / (copies_[std::size_t(wanted)] + 1);
    double after = 0;
    for (std::size_t g = 0; g < sum_.size(); ++g) {
      double sum = sum_[g];
      if (holds(g, wanted)) sum += one_more - load_[std::size_t(wanted)] / copies_[std::size_t(wanted)];
      if (given >= 0 && holds(g, given) && g != gpu_of(t))
        sum += one_less - load_[std::size_t(given)] / copies_[std::size_t(given)];
      if (g == gpu_of(t)) sum += one_more - slot_load(t);
      const double time_after = sum / problem_.speed_of(int(g));
      if (sum != sum_[g]) after = std::max(after, time_after);
      if (after >= best.after || after >= now) return;
    }
    best = {after, s, t, true};
  }

  void take(const Step& step) {
    auto& slots = map_.slot_to_expert;
    if (!step.copy) {
      const double change = slot_load(step.from) - slot_load(step.to);
      sum_[gpu_of(step.from)] -= change;
      sum_[gpu_of(step.to)] += change;
      std::swap(slots[step.from], slots[step.to]);
      return;
    }
    if (slots[step.to] >= 0) --copies_[std::size_t(slots[step.to])];
    slots[step.to] = slots[step.from];
    ++copies_[std::size_t(slots[step.from])];
    std::ranges::fill(sum_, 0);
    for (std::size_t s = 0; s < slots.size(); ++s) sum_[gpu_of(s)] += slot_load(s);
  }

  exchange::ExpertMap& map_;
  const PlacementProblem& problem_;
  std::span<const double> load_;
  std::vector<int> copies_;
  std::vector<double> sum_;
};

bool holds(const exchange::ExpertMap& map, std::size_t gpu, int expert) {
  const auto first = map.slot_to_expert.begin() + std::ptrdiff_t(gpu) * map.slots_per_gpu;
  return std::find(first, first + map.slots_per_gpu, expert) != first + map.slots_per_gpu;
}
}  // namespace

void balance(exchange::ExpertMap& map, const PlacementProblem& problem, std::span<const double> load, int steps) {
  LayerSums sums(map, problem, load);
  for (int i = 0; i < steps && sums.step(); ++i) {
  }
}

void descend(exchange::ExpertMap& map, std::size_t row, const LayerCost& cost, int tries, Random& random) {
  auto& slots = map.slot_to_expert;
  const std::size_t width = std::size_t(map.slots_per_gpu);
  double now = cost(row, map);
  for (int i = 0; i < tries; ++i) {
    const std::size_t s = random.below(slots.size()), t = random.below(slots.size());
    if (s / width == t / width || slots[s] < 0 || slots[t] < 0 || slots[s] == slots[t]) continue;
    if (holds(map, s / width, slots[t]) || holds(map, t / width, slots[s])) continue;
    std::swap(slots[s], slots[t]);
    const double then = cost(row, map);
    if (then < now)
      now = then;
    else
      std::swap(slots[s], slots[t]);
  }
}

enum class Objective { balance, nodes, exchange };
constexpr auto enum_names(Objective) {
  return std::to_array<std::pair<std::string_view, Objective>>(
      {{"balance", Objective::balance}, {"nodes", Objective::nodes}, {"exchange", Objective::exchange}});
}

namespace {
/// Starts from another strategy's placement and improves it until no step helps.
class LocalSearch final : public Placement {
 public:
  struct Params {
    std::string start = "greedy";
    Objective objective = Objective::balance;
    int steps = 1000;
    std::uint64_t seed = 1;
    static void fields(auto& f, auto& p) {
      f("start", p.start, "the strategy to start from");
      f("objective", p.objective, "balance, nodes (a token visits) or exchange (time)");
      f("steps", p.steps, "at most, a layer");
      f("seed", p.seed, "of the swaps tried");
    }
  };
  explicit LocalSearch(Params p) : p_(p) {
    if (p_.start == "local_search") throw ConfigError("start", "cannot start from itself");
  }
  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    std::vector<exchange::ExpertMap> out =
        at_key("start", [&] { return placements().of_kind(p_.start)->place(input); });
    Random random(p_.seed, "local_search");
    const LayerCost cost = objective(input);
    for (std::size_t row = 0; row < out.size(); ++row) {
      if (cost)
        descend(out[row], row, cost, p_.steps, random);
      else
        balance(out[row], input.problem, input.loads.row(row), p_.steps);
    }
    return out;
  }

 private:
  LayerCost objective(const PlacementInput& input) const {
    if (p_.objective == Objective::balance) return nullptr;
    if (p_.objective == Objective::exchange && input.cost) return input.cost;
    if (!input.sample)
      throw ConfigError(
          "objective",
          fmt::format("needs a trace ({}): loads do not say which experts a token uses together", input.give_trace));
    if (input.sample->dealt) throw ConfigError("objective", std::string(kDealt));
    if (p_.objective == Objective::nodes)
      return node_visits_cost(*input.sample, input.loads, input.problem, input.replica_choice);
    return exchange_cost(*input.sample, input.loads, input.problem, PortRates{}, input.replica_choice);
  }
  Params p_;
};
}  // namespace

Strategy<Placement> local_search() {
  return strategy<LocalSearch, Placement>("local_search", "another strategy's placement, improved until no swap helps");
}
}  // namespace moesim::placement
