// What a comparison of placements leaves in a results database.
#include <fmt/format.h>

#include "placing/place.h"

namespace moesim::placing {
namespace {
constexpr std::size_t kMostGpuLoads = 12'000;  // rows: 0.8 MB with their scopes

std::string scope_of(const PlaceRow& r) {
  std::string scope = fmt::format("placement:{}:{}", r.strategy, r.slots);
  if (!r.planned_on.empty()) scope += fmt::format(":{}:{}", r.planned_on, r.scored_on);
  return scope;
}

/// The first and the best always, so that before can be held against after; others in order while there is room.
void store_gpu_loads(const PlaceResult& result, results::Results& results) {
  std::size_t stored = 0;
  std::vector<std::size_t> order = {result.best};
  for (std::size_t i = 0; i < result.rows.size(); ++i)
    if (i != result.best) order.push_back(i);
  for (std::size_t place = 0; place < order.size(); ++place) {
    const PlaceRow& r = result.rows[order[place]];
    std::size_t rows = 0;
    for (const placement::LayerScore& l : r.score.layers) rows += l.gpus.size();
    if (place > 1 && stored + rows > kMostGpuLoads) continue;
    stored += rows;
    for (const placement::LayerScore& l : r.score.layers)
      for (std::size_t gpu = 0; gpu < l.gpus.size(); ++gpu)
        results.add(results::Table::gpu_load, {scope_of(r), l.layer, gpu, l.gpus[gpu]});
  }
}
}  // namespace

void store(const PlaceOptions& o, const PlaceResult& result, results::Results& results) {
  const auto metrics = [&](const PlaceRow& r, const std::string& scope) {
    results.metric("balancedness", r.score.balancedness, "", scope);
    results.metric("imbalance", r.score.imbalance, "", scope);
    results.metric("gap_to_bound", r.score.gap, "", scope);
    results.metric("slots", r.slots, "", scope);
    results.metric("wasted_slots", r.wasted_slots, "", scope);
    if (r.traffic) {
      results.metric("nodes_per_token", r.traffic->nodes_per_token, "", scope);
      results.metric("crossings_per_token", r.traffic->crossings, "", scope);
    }
    if (r.nic_bytes.v > 0) results.metric("busiest_adapter_bytes", double(r.nic_bytes.v), "B", scope);
    if (r.nvlink_bytes.v > 0) results.metric("busiest_nvlink_bytes", double(r.nvlink_bytes.v), "B", scope);
    if (r.memory.v > 0) results.metric("expert_memory", double(r.memory.v), "B", scope);
    for (const auto& [name, phase] : {std::pair("prefill", &r.prefill), std::pair("decode", &r.decode)})
      if (*phase) {
        results.metric(fmt::format("{}_layer_time", name), seconds((*phase)->layer), "s", scope);
        results.metric(fmt::format("{}_step_time", name), seconds((*phase)->step), "s", scope);
      }
    if (r.moves) results.metric("moves", *r.moves, "", scope);
    if (r.migration.v > 0) results.metric("migration_bytes", double(r.migration.v), "B", scope);
    if (r.migration_time.v > 0) results.metric("migration_time", seconds(r.migration_time), "s", scope);
  };
  for (const NotApplied& n : result.not_applied)
    results.add(results::Table::assumption,
                {fmt::format("placement:{}:{}", n.strategy, n.slots), "strategy", n.strategy + " left out", n.reason});
  for (const std::string& note : result.notes)
    results.add(results::Table::assumption, {"run", "note", note, "bears on the figures"});
  for (const PlaceRow& r : result.rows) metrics(r, scope_of(r));
  for (const DriftPoint& p : drift_curves(o, result)) {  // means over plans of one age
    const std::string scope = fmt::format("placement:{}:{}:age:{:.4g} min", p.strategy, p.slots, p.minutes);
    results.metric("balancedness", p.balance, "", scope);
    results.metric("gap_to_bound", p.regret, "", scope);
  }
  store_gpu_loads(result, results);
  const PlaceRow& best = result.rows[result.best];
  metrics(best, "run");
  const placement::Loads& loads = result.sources[best.planned].loads;
  const placement::Skew s = placement::skew(loads);
  results.metric("expert_load_max_over_mean", s.max_over_mean, "");
  results.metric("expert_load_gini", s.gini, "");
  for (const placement::LayerScore& l : best.score.layers) {
    const std::string scope = fmt::format("layer:{}", l.layer);
    results.metric("balancedness", l.balance, "", scope);
    results.metric("imbalance", l.imbalance, "", scope);
  }
  const std::vector<exchange::ExpertMap>& maps = result.maps[best.maps];
  for (std::size_t row = 0; row < maps.size(); ++row) {
    for (int slot = 0; slot < maps[row].slots(); ++slot)
      results.add(results::Table::placement,
                  {loads.layers[row], slot, maps[row].gpu_of(slot), maps[row].slot_to_expert[std::size_t(slot)]});
    for (int e = 0; e < loads.experts; ++e)
      results.add(results::Table::expert_load, {loads.layers[row], "", e, loads.row(row)[std::size_t(e)]});
  }
}
}  // namespace moesim::placing
