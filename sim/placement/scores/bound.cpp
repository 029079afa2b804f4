#include "placement/scores/bound.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "core/check.h"
#include "exchange/linear_program.h"
#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {
double fastest(const PlacementProblem& p) {
  double out = 0;
  for (int g = 0; g < p.gpus; ++g) out = std::max(out, p.speed_of(g));
  return out;
}
std::vector<double> descending(std::span<const double> load) {
  std::vector<double> out(load.begin(), load.end());
  std::ranges::sort(out, std::greater());
  return out;
}
}  // namespace

double relaxation_bound(std::span<const double> load, const PlacementProblem& p) {
  double total = 0, speed = 0;
  for (const double l : load) total += l;
  for (int g = 0; g < p.gpus; ++g) speed += p.speed_of(g);
  if (p.even() || total == 0) return total / speed;
  // GPUs of one kind are interchangeable, so an optimum treats them alike and one column stands for all of them.
  std::map<std::pair<int, double>, int> kinds;
  for (int g = 0; g < p.gpus; ++g) ++kinds[{p.slots_on(g), p.speed_of(g)}];
  exchange::LinearProgram lp;
  const int slowest = lp.add_column(1);
  std::vector<int> expert_row, slot_row, load_row;
  for (std::size_t e = 0; e < load.size(); ++e) expert_row.push_back(lp.add_row(1, exchange::LinearProgram::kNone));
  for (const auto& [kind, count] : kinds) {
    slot_row.push_back(lp.add_row(-exchange::LinearProgram::kNone, double(kind.first) * count));
    load_row.push_back(lp.add_row(-exchange::LinearProgram::kNone, 0));
    lp.terms.push_back({load_row.back(), slowest, -kind.second * count});
  }
  for (std::size_t e = 0; e < load.size(); ++e)
    for (std::size_t k = 0; k < slot_row.size(); ++k) {
      const int share = lp.add_column(0);  // of the expert, on GPUs of this kind
      lp.terms.push_back({expert_row[e], share, 1});
      lp.terms.push_back({slot_row[k], share, 1});
      if (load[e] > 0) lp.terms.push_back({load_row[k], share, load[e] / total});
    }
  return exchange::solve(lp, "a placement bound")[std::size_t(slowest)] * total;
}

double copies_bound(std::span<const double> load, const PlacementProblem& p) {
  // The copies that lower the largest load a copy as far as it goes are exactly the greedy ones.
  const std::vector<int> copies = copies_by_load(load, p.slots, p.gpus);
  double most = 0;
  for (std::size_t e = 0; e < load.size(); ++e) most = std::max(most, load[e] / copies[e]);
  return most / fastest(p);
}

double pigeon_bound(std::span<const double> load, const PlacementProblem& p) {
  const std::vector<double> sorted = descending(load);
  const int spare = p.slots - int(load.size());
  double most = 0;
  for (int j = 1; spare + j * p.gpus + 1 <= int(sorted.size()); ++j) {
    const int n = spare + j * p.gpus + 1;
    double sum = 0;
    for (int i = n - j - 1; i < n; ++i) sum += sorted[std::size_t(i)];
    most = std::max(most, sum);
  }
  return most / fastest(p);
}

double group_bound(std::span<const double> load, const PlacementProblem& p) {
  if (!p.keep_groups || p.nodes == 1 || !p.even()) return 0;
  std::vector<double> weight(std::size_t(p.groups), 0);
  for (std::size_t e = 0; e < load.size(); ++e) weight[e * weight.size() / load.size()] += load[e];
  weight = descending(weight);
  const int each = p.groups / p.nodes;
  // The heaviest group shares its node with each - 1 others, at best the lightest; and pigeons, with j + 1 on a node.
  double most = weight[0] + std::accumulate(weight.end() - (each - 1), weight.end(), 0.0);
  for (int j = 1; j < each; ++j) {
    const int n = j * p.nodes + 1;
    double sum = std::accumulate(weight.end() - (each - j - 1), weight.end(), 0.0);
    for (int i = n - j - 1; i < n; ++i) sum += weight[std::size_t(i)];
    most = std::max(most, sum);
  }
  return most / (p.gpus_per_node() * p.speed_of(0));
}

double lower_bound(std::span<const double> load, const PlacementProblem& p) {
  check(p.slots >= int(load.size()), "{} slots are to hold {} experts: the problem was not checked()", p.slots,
        load.size());
  return std::max({relaxation_bound(load, p), copies_bound(load, p), pigeon_bound(load, p), group_bound(load, p)});
}
}  // namespace moesim::placement
