#include "placement/planning/packing.h"

#include <algorithm>
#include <numeric>
#include <queue>

#include "core/check.h"

namespace moesim::placement {

exchange::ExpertMap empty_map(int experts, const PlacementProblem& problem) {
  exchange::ExpertMap map;
  map.experts = experts;
  map.gpus = problem.gpus;
  map.slots_per_gpu = problem.slots_per_gpu();
  map.slot_to_expert.assign(std::size_t(map.gpus) * std::size_t(map.slots_per_gpu), -1);
  return map;
}

std::vector<int> copies_by_load(std::span<const double> load, int slots, int most) {
  struct Candidate {
    double each;
    int expert;
    bool operator<(const Candidate& b) const { return each != b.each ? each < b.each : expert > b.expert; }
  };
  std::vector<int> copies(load.size(), 1);
  std::priority_queue<Candidate> queue;
  if (most > 1)
    for (std::size_t e = 0; e < load.size(); ++e) queue.push({load[e], int(e)});
  for (int left = slots - int(load.size()); left > 0 && !queue.empty(); --left) {
    const int expert = queue.top().expert;
    queue.pop();
    const int n = ++copies[std::size_t(expert)];
    if (n < most) queue.push({load[std::size_t(expert)] / n, expert});
  }
  return copies;
}

std::vector<int> by_load(std::span<const double> load) {
  std::vector<int> order(load.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) { return load[std::size_t(a)] > load[std::size_t(b)]; });
  return order;
}

Bins::Bins(int experts, const PlacementProblem& problem)
    : problem_(problem),
      map_(empty_map(experts, problem)),
      used_(std::size_t(problem.gpus), 0),
      load_(std::size_t(problem.gpus), 0) {}

bool Bins::holds(int gpu, int expert) const {
  const auto first = map_.slot_to_expert.begin() + gpu * map_.slots_per_gpu;
  return std::find(first, first + used_[std::size_t(gpu)], expert) != first + used_[std::size_t(gpu)];
}

void Bins::add(int gpu, int expert, double load) {
  check(has_room(gpu), "GPU {} has no free slot for expert {}", gpu, expert);
  map_.slot_to_expert[std::size_t(gpu * map_.slots_per_gpu + used_[std::size_t(gpu)]++)] = expert;
  load_[std::size_t(gpu)] += load;
}

int Bins::lightest(int expert, double extra, int first, int last) const {
  int best = -1;
  bool best_holds = true;
  for (int gpu = first; gpu < last; ++gpu) {
    if (!has_room(gpu)) continue;
    const bool held = holds(gpu, expert);
    if (best < 0 || held < best_holds || (held == best_holds && time(gpu, extra) < time(best, extra))) {
      best = gpu;
      best_holds = held;
    }
  }
  return best;
}

namespace {
/// How often the slot's GPU holds `expert` in other slots.
int others(const exchange::ExpertMap& map, std::size_t slot, int expert) {
  const std::size_t width = std::size_t(map.slots_per_gpu), first = slot / width * width;
  int n = 0;
  for (std::size_t s = first; s < first + width; ++s) n += s != slot && map.slot_to_expert[s] == expert;
  return n;
}
}  // namespace

void separate_copies(exchange::ExpertMap& map) {
  auto& slots = map.slot_to_expert;
  const std::size_t width = std::size_t(map.slots_per_gpu);
  for (std::size_t s = 0; s < slots.size(); ++s) {
    if (slots[s] < 0 || others(map, s, slots[s]) == 0) continue;
    for (std::size_t i = 1; i < slots.size(); ++i) {
      const std::size_t t = (s + i) % slots.size();  // another GPU that lacks this one and whose expert is lacking here
      if (t / width == s / width || slots[t] < 0) continue;
      if (others(map, t, slots[s]) > 0 || slots[t] == slots[s] || others(map, s, slots[t]) > 0) continue;
      std::swap(slots[s], slots[t]);
      break;
    }
  }
}

std::vector<double> even_slot_loads(const exchange::ExpertMap& map, std::span<const double> load) {
  std::vector<int> copies(load.size(), 0);
  for (const int e : map.slot_to_expert)
    if (e >= 0) ++copies[std::size_t(e)];
  std::vector<double> out(map.slot_to_expert.size(), 0);
  for (std::size_t s = 0; s < out.size(); ++s) {
    const int e = map.slot_to_expert[s];
    if (e >= 0) out[s] = load[std::size_t(e)] / copies[std::size_t(e)];
  }
  return out;
}

std::vector<double> gpu_times(const exchange::ExpertMap& map, const PlacementProblem& problem,
                              std::span<const double> load) {
  const std::vector<double> each = even_slot_loads(map, load);
  std::vector<double> out(std::size_t(map.gpus), 0);
  for (std::size_t s = 0; s < each.size(); ++s) out[s / std::size_t(map.slots_per_gpu)] += each[s];
  for (std::size_t g = 0; g < out.size(); ++g) out[g] /= problem.speed_of(int(g));
  return out;
}
}  // namespace moesim::placement
