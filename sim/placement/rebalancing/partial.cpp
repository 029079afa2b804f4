#include "placement/rebalancing/partial.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {
/// Every group of consecutive experts lies on one node.
bool keeps_groups(const exchange::ExpertMap& map, const PlacementProblem& p) {
  if (p.nodes <= 1 || p.groups <= 1) return false;
  std::vector<int> node(std::size_t(p.groups), -1);
  for (std::size_t s = 0; s < map.slot_to_expert.size(); ++s) {
    if (map.slot_to_expert[s] < 0) continue;
    int& of_group = node[std::size_t(map.slot_to_expert[s]) / (std::size_t(map.experts) / std::size_t(p.groups))];
    const int here = map.gpu_of(int(s)) / p.gpus_per_node();
    if (of_group >= 0 && of_group != here) return false;
    of_group = here;
  }
  return true;
}

/// One layer on its way from the placement in force, always to the best next step.
class LayerSteps {
 public:
  LayerSteps(const exchange::ExpertMap& in_force, std::span<const double> load, const PlacementProblem& problem,
             bool within_nodes)
      : map_(in_force), load_(load), problem_(problem), within_nodes_(within_nodes) {
    held_.assign(std::size_t(map_.gpus) * std::size_t(map_.experts), false);
    for (std::size_t s = 0; s < map_.slot_to_expert.size(); ++s)
      if (const int e = map_.slot_to_expert[s]; e >= 0) held_[at(map_.gpu_of(int(s)), e)] = true;
    look();
  }

  /// Two slots swap their experts, or `to` gets a copy of the expert in `from` in place of what it holds.
  struct Step {
    int from = 0, to = 0;
    bool copy = false;
    int moves = 0;  // more than before it; may be none, where an expert returns
    double gain = 0, later = 0;
    double worth() const { return gain / std::max(0.5, double(moves)); }  // none: ahead of all that take one
  };
  /// The step that gains most balance a move, of those within `left` moves that gain no more than `most`; none if none
  /// gains.
  std::optional<Step> best(std::int64_t left, double most) {
    std::optional<Step> out;
    const int first = hottest_ * map_.slots_per_gpu;
    for (int from = first; from < first + map_.slots_per_gpu; ++from) {
      if (map_.slot_to_expert[std::size_t(from)] < 0) continue;
      for (int to = 0; to < map_.slots(); ++to)
        for (const bool copy : {true, false})
          if (const std::optional<Step> step = tried(from, to, copy);
              step && step->moves <= left && step->gain <= most &&
              (!out || step->worth() > out->worth() || (step->worth() == out->worth() && step->later < out->later)))
            out = step;
    }
    return out;
  }
  void take(const Step& step) {
    int& to = map_.slot_to_expert[std::size_t(step.to)];
    int& from = map_.slot_to_expert[std::size_t(step.from)];
    if (step.copy)
      to = from;
    else
      std::swap(from, to);
    look();
  }
  const exchange::ExpertMap& map() const { return map_; }

 private:
  std::size_t at(int gpu, int expert) const {
    return std::size_t(gpu) * std::size_t(map_.experts) + std::size_t(expert);
  }
  bool holds(int gpu, int expert) const {
    const auto first = map_.slot_to_expert.begin() + gpu * map_.slots_per_gpu;
    return std::find(first, first + map_.slots_per_gpu, expert) != first + map_.slots_per_gpu;
  }
  int lacks(int gpu, int expert) const { return expert >= 0 && !held_[at(gpu, expert)] ? 1 : 0; }

  void look() {
    copies_ = exchange::copy_table(map_);
    times_ = gpu_times(map_, problem_, load_);
    sum_ = std::accumulate(times_.begin(), times_.end(), 0.0);
    order_.resize(times_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::ranges::stable_sort(order_, [&](int a, int b) { return times_[std::size_t(a)] > times_[std::size_t(b)]; });
    hottest_ = order_.front();
  }
  int copies(int expert) const { return copies_.first[std::size_t(expert) + 1] - copies_.first[std::size_t(expert)]; }
  double each(int expert, int copies) const { return copies > 0 ? load_[std::size_t(expert)] / copies : 0; }

  void add(int gpu, double load) {
    for (auto& [g, time] : changed_)
      if (g == gpu) return void(time += load / problem_.speed_of(gpu));
    changed_.emplace_back(gpu, times_[std::size_t(gpu)] + load / problem_.speed_of(gpu));
  }
  /// One copy more or less of an expert on `gpu`: its other copies compute less or more.
  void add_copy(int gpu, int expert, int more) {
    const double was = each(expert, copies(expert)), is = each(expert, copies(expert) + more);
    for (int i = copies_.first[std::size_t(expert)]; i < copies_.first[std::size_t(expert) + 1]; ++i)
      add(map_.gpu_of(copies_.slots[std::size_t(i)]), is - was);
    add(gpu, more > 0 ? is : -is);
  }

  std::optional<Step> tried(int from, int to, bool copy) {
    const int g = hottest_, h = map_.gpu_of(to);
    const int e = map_.slot_to_expert[std::size_t(from)], c = map_.slot_to_expert[std::size_t(to)];
    if (h == g || e == c || holds(h, e) || to % map_.slots_per_gpu >= problem_.slots_on(h)) return {};
    if (within_nodes_ && g / problem_.gpus_per_node() != h / problem_.gpus_per_node()) return {};
    if (copy ? c >= 0 && copies(c) < 2 : c >= 0 && holds(g, c)) return {};
    changed_.clear();
    Step out{.from = from, .to = to, .copy = copy};
    if (copy) {
      add_copy(h, e, 1);
      if (c >= 0) add_copy(h, c, -1);
      out.moves = lacks(h, e) - lacks(h, c);
    } else {
      const double back = c >= 0 ? each(c, copies(c)) : 0, there = each(e, copies(e));
      add(g, back - there);
      add(h, there - back);
      out.moves = lacks(h, e) + lacks(g, c) - lacks(g, e) - lacks(h, c);
    }
    return judged(out);
  }
  /// With what it gains, if the slowest GPU gets faster.
  std::optional<Step> judged(Step step) const {
    double sum = sum_;
    for (const auto& [g, time] : changed_) {
      step.later = std::max(step.later, time);
      sum += time - times_[std::size_t(g)];
    }
    const double was = times_[std::size_t(hottest_)];
    double most = step.later;
    for (const int g : order_)
      if (std::ranges::find(changed_, g, &std::pair<int, double>::first) == changed_.end()) {
        most = std::max(most, times_[std::size_t(g)]);
        break;
      }
    const double gpus = double(times_.size());
    step.gain = most > 0 ? sum / gpus / most - sum_ / gpus / was : 0;
    if (!(most < was * (1 - 1e-12)) || !(step.gain > 0)) return {};  // sums in another order differ by less
    return step;
  }

  exchange::ExpertMap map_;
  std::span<const double> load_;
  const PlacementProblem& problem_;
  bool within_nodes_;
  std::vector<bool> held_;  // (gpus, experts), in force
  exchange::CopyTable copies_;
  std::vector<double> times_;
  double sum_ = 0;
  std::vector<int> order_;  // GPUs, slowest first
  int hottest_ = 0;
  std::vector<std::pair<int, double>> changed_;  // times of GPUs after the step that is tried
};

/// A layer of the plan, and what it has come to so far.
struct Progress {
  LayerSteps steps;
  double hoped = 0;  // gain of the whole plan
  std::optional<LayerSteps::Step> next;
  bool whole = false;
  double gain = 0;
  std::int64_t moves = 0;
  void look(std::int64_t left) { next = steps.best(left, (hoped - gain) * (1 + 1e-9)); }  // equal but for rounding
};
}  // namespace

void keep_within(std::vector<PlannedLayer>& planned, std::int64_t most, double least_gain, const Loads& loads,
                 std::span<const exchange::ExpertMap> in_force, const PlacementProblem& problem) {
  std::int64_t left = most;
  for (const PlannedLayer& layer : planned) left -= layer.moves;
  if (left >= 0) return;
  left = most;
  std::vector<Progress> layers;
  for (const PlannedLayer& layer : planned) {
    const exchange::ExpertMap& now = in_force[layer.row];
    const bool within_nodes = problem.keep_groups || (keeps_groups(now, problem) && keeps_groups(layer.map, problem));
    layers.push_back(
        {.steps = LayerSteps(now, loads.row(layer.row), problem, within_nodes), .hoped = layer.gain, .next = {}});
    layers.back().look(left);
  }
  while (true) {
    std::optional<std::size_t> chosen;
    double best = 0;
    bool whole = false;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Progress& p = layers[i];
      if (p.whole) continue;
      if (p.next && p.next->moves > left) p.look(left);
      const std::int64_t more = planned[i].moves - p.moves;
      if (const double worth = (planned[i].gain - p.gain) / std::max(0.5, double(more)); more <= left && worth > best)
        chosen = i, best = worth, whole = true;
      if (p.next && p.next->worth() > best) chosen = i, best = p.next->worth(), whole = false;
    }
    if (!chosen) break;
    Progress& p = layers[*chosen];
    p.whole = whole;
    const std::int64_t more = whole ? planned[*chosen].moves - p.moves : p.next->moves;
    p.gain = whole ? planned[*chosen].gain : p.gain + p.next->gain;
    if (!whole) {
      p.steps.take(*p.next);
      p.look(left - more);
    }
    p.moves += more;
    left -= more;
  }
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (!layers[i].whole) planned[i] = {planned[i].row, layers[i].steps.map(), layers[i].gain, layers[i].moves};
  std::erase_if(planned, [&](const PlannedLayer& layer) { return layer.gain <= least_gain; });
}
}  // namespace moesim::placement
