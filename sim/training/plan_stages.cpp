// Cuts a model into pipeline stages.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "training/layout_string.h"
#include "training/plan.h"

namespace moesim::training {
namespace {
using Unit = std::vector<PlanBlock>;  // blocks that stay together

PlanBlock layer_block(const spec::Model& model, int layer) {
  return {PlanBlock::Kind::layer, layer, model.is_moe_layer(layer)};
}
constexpr PlanBlock kEmbedding{PlanBlock::Kind::embedding, 0, false};

/// Head and MTP modules, a unit for each that may stand apart.
std::vector<Unit> tail_of(const spec::Model& model, Heads heads) {
  std::vector<Unit> out(1);
  const auto begin = [&] {
    if (heads == Heads::apart) out.emplace_back();
  };
  out.back().push_back({PlanBlock::Kind::head, 0, false});
  for (int m = 0; m < model.mtp_layers; ++m) {
    begin();
    out.back().push_back({PlanBlock::Kind::mtp, 0, false});
    out.back().push_back({PlanBlock::Kind::layer, model.layers, model.moe.has_value()});
    begin();
    out.back().push_back({PlanBlock::Kind::head, 0, false});
  }
  return out;
}

/// The embedding stays with the first layer; the tail is units of its own.
std::vector<Unit> units_of(const spec::Model& model, Heads heads) {
  std::vector<Unit> units;
  for (int layer = 0; layer < model.layers; ++layer) units.push_back({layer_block(model, layer)});
  units.front().insert(units.front().begin(), kEmbedding);
  for (Unit& unit : tail_of(model, heads)) units.push_back(std::move(unit));
  return units;
}

/// Layers of each of `stages` where each has equally many, embedding and loss counted as one each.
std::vector<int> layers_beside_ends(int layers, int stages) {
  std::vector<int> out(std::size_t(stages), (layers + 2) / stages);
  --out.front();
  --out.back();
  return out;
}

/// So many layers a stage; the embedding comes first, head and MTP modules last.
std::vector<Unit> stages_of(const spec::Model& model, const std::vector<int>& layers) {
  std::vector<Unit> out{{kEmbedding}};
  int next = 0;
  for (std::size_t stage = 0; stage < layers.size(); ++stage) {
    if (stage > 0) out.emplace_back();
    for (int i = 0; i < layers[stage]; ++i) out.back().push_back(layer_block(model, next++));
  }
  for (const Unit& unit : tail_of(model, Heads::together))
    out.back().insert(out.back().end(), unit.begin(), unit.end());
  return out;
}

/// A stage for each string of E, t, m and L.  MTP modules' heads are where the loss is, with the model's.
std::vector<Unit> stages_of(const spec::Model& model, const std::vector<std::string>& layout) {
  std::vector<Unit> out;
  int next = 0;
  for (const std::string& letters : layout) {
    Unit& stage = out.emplace_back();
    for (const char letter : letters) {
      if (letter == 'E') stage.push_back(kEmbedding);
      if (letter == 't') stage.push_back(layer_block(model, next++));
      if (letter == 'm') {
        stage.push_back({PlanBlock::Kind::mtp, 0, false});
        stage.push_back({PlanBlock::Kind::layer, model.layers, model.moe.has_value()});
      }
      if (letter == 'L')
        stage.insert(stage.end(), std::size_t(1 + model.mtp_layers), {PlanBlock::Kind::head, 0, false});
    }
  }
  return out;
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
  const int stages = plan.schedule.stages();
  if (!plan.section.pipeline_layout.empty()) {
    plan.stages = stages_of(plan.model, stages_of_layout(plan.section.pipeline_layout));
    return;
  }
  const std::vector<int>& given = plan.section.layers;
  if (!given.empty()) {
    const int total = std::accumulate(given.begin(), given.end(), 0);
    bool none = false;  // embedding and head are enough for the first and the last stage
    for (std::size_t i = 0; i < given.size(); ++i) none |= given[i] < (i == 0 || i + 1 == given.size() ? 0 : 1);
    if (int(given.size()) != stages || total != plan.model.layers || none)
      scenario.at("training")
          .at("layers")
          .fail(fmt::format("expected {} numbers of at least 1 that add up to {} layers, got {} that add up to {}",
                            stages, plan.model.layers, given.size(), total));
    plan.stages = stages_of(plan.model, given);
    return;
  }
  if (plan.section.ends_as_layers) {
    plan.stages = stages_of(plan.model, layers_beside_ends(plan.model.layers, stages));
    return;
  }
  const std::vector<Unit> units = units_of(plan.model, plan.section.heads);
  std::vector<double> costs;
  for (const Unit& unit : units) {
    double sum = 0;
    for (const PlanBlock& block : unit) sum += cost(block);
    costs.push_back(sum);
  }
  plan.stages.clear();
  std::size_t next = 0;
  for (const int count : even_cut(costs, stages)) {
    auto& stage = plan.stages.emplace_back();
    for (int i = 0; i < count; ++i, ++next) stage.insert(stage.end(), units[next].begin(), units[next].end());
  }
}
}  // namespace moesim::training
