// Cuts a model into pipeline stages.
#include <fmt/format.h>

#include <algorithm>

#include "training/plan.h"

namespace moesim::training {
namespace {
using Unit = std::vector<PlanBlock>;  // blocks that stay together

/// Head and MTP modules are one unit (heads together), several (apart), or part of the last layer's (`counts_given`:
/// what the user counts is layers).
std::vector<Unit> units_of(const spec::Model& model, Heads heads, bool counts_given) {
  std::vector<Unit> units;
  for (int layer = 0; layer < model.layers; ++layer)
    units.push_back({{PlanBlock::Kind::layer, layer, model.is_moe_layer(layer)}});
  units.front().insert(units.front().begin(), {PlanBlock::Kind::embedding, 0, false});
  if (!counts_given) units.emplace_back();
  const auto begin = [&] {
    if (!counts_given && heads == Heads::apart) units.emplace_back();
  };
  units.back().push_back({PlanBlock::Kind::head, 0, false});
  for (int m = 0; m < model.mtp_layers; ++m) {
    begin();
    units.back().push_back({PlanBlock::Kind::mtp, 0, false});
    units.back().push_back({PlanBlock::Kind::layer, model.layers, model.moe.has_value()});
    begin();
    units.back().push_back({PlanBlock::Kind::head, 0, false});
  }
  return units;
}

/// Cuts `cost` into `parts` runs so that the largest sum is least and, among such cuts, the sums are most even (least
/// sum of squares): the largest stage sets the pace, the others decide what a rank of two stages has to do.
std::vector<int> even_cut(const std::vector<double>& cost, int parts) {
  const int n = int(cost.size());
  std::vector<double> sum(std::size_t(n) + 1);
  for (int i = 0; i < n; ++i) sum[std::size_t(i) + 1] = sum[std::size_t(i)] + cost[std::size_t(i)];
  const auto at = [n](int k, int i) { return std::size_t(k) * std::size_t(n + 1) + std::size_t(i); };
  struct Cut {
    double worst = 1e300, squares = 1e300;
    int from = 0;
  };
  const auto cheapest = [&](double limit) {
    std::vector<Cut> best(std::size_t(parts + 1) * std::size_t(n + 1));
    best[at(0, 0)] = {0, 0, 0};
    for (int k = 1; k <= parts; ++k)
      for (int i = k; i <= n; ++i)
        for (int j = k - 1; j < i; ++j) {
          const Cut& before = best[at(k - 1, j)];
          const double part = sum[std::size_t(i)] - sum[std::size_t(j)];
          const Cut cut{std::max(before.worst, part), before.squares + part * part, j};
          Cut& kept = best[at(k, i)];
          if (limit > 0 ? cut.worst <= limit && cut.squares < kept.squares : cut.worst < kept.worst) kept = cut;
        }
    return best;
  };
  const std::vector<Cut> best = cheapest(cheapest(0)[at(parts, n)].worst);
  std::vector<int> counts(static_cast<std::size_t>(parts));
  for (int k = parts, i = n; k > 0; --k) {
    counts[std::size_t(k) - 1] = i - best[at(k, i)].from;
    i = best[at(k, i)].from;
  }
  return counts;
}
}  // namespace

void split_layers(TrainingPlan& plan, const Config& scenario, const std::function<double(const PlanBlock&)>& cost) {
  const std::vector<Unit> units = units_of(plan.model, plan.section.heads, !plan.section.layers.empty());
  const int stages = plan.schedule.stages();
  std::vector<int> counts = plan.section.layers;
  if (counts.empty()) {
    std::vector<double> costs;
    for (const Unit& unit : units) {
      double sum = 0;
      for (const PlanBlock& block : unit) sum += cost(block);
      costs.push_back(sum);
    }
    counts = even_cut(costs, stages);
  }
  int total = 0;
  for (int count : counts) total += count;
  if (int(counts.size()) != stages || total != int(units.size()) ||
      std::ranges::any_of(counts, [](int c) { return c < 1; }))
    scenario.at("training")
        .at("layers")
        .fail(fmt::format("expected {} numbers of at least 1 that add up to {} layers, got {} that add up to {}",
                          stages, plan.model.layers, counts.size(), total));
  plan.stages.clear();
  std::size_t next = 0;
  for (int count : counts) {
    auto& stage = plan.stages.emplace_back();
    for (int i = 0; i < count; ++i, ++next) stage.insert(stage.end(), units[next].begin(), units[next].end());
  }
}
}  // namespace moesim::training
