// What a comparison of placements leaves in a results database.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "compute/kernels/provenance.h"
#include "placing/place.h"
#include "placing/place_traffic.h"

namespace moesim::placing {
namespace {
constexpr std::size_t kMostGpuLoads = 12'000;  // rows: 0.8 MB with their scopes

std::string scope_of(const PlaceRow& r) {
  std::string scope = fmt::format("placement:{}:{}", r.strategy, r.slots);
  if (!r.planned_on.empty()) scope += fmt::format(":{}:{}", r.planned_on, r.scored_on);
  return scope;
}

/// The best and the first always, so that before can be held against after; others in order while there
/// is room.
void store_gpu_loads(const PlaceResult& result, results::Results& results) {
  std::size_t stored = 0;
  std::vector<std::size_t> order;
  const auto take = [&](std::size_t row) {
    if (std::ranges::find(order, row) == order.end()) order.push_back(row);
  };
  for (const std::size_t row : {result.best, std::size_t{0}}) take(row);
  const std::size_t always = order.size();
  for (std::size_t i = 0; i < result.rows.size(); ++i) take(i);
  for (std::size_t place = 0; place < order.size(); ++place) {
    const PlaceRow& r = result.rows[order[place]];
    std::size_t rows = 0;
    for (const placement::LayerScore& l : r.score.layers) rows += l.gpus.size();
    if (place >= always && stored + rows > kMostGpuLoads) continue;
    stored += rows;
    for (const placement::LayerScore& l : r.score.layers)
      for (std::size_t gpu = 0; gpu < l.gpus.size(); ++gpu)
        results.add(results::Table::gpu_load, {scope_of(r), l.layer, gpu, l.gpus[gpu]});
  }
}
/// Who sends to whom, of the first and the best: before and after.
void store_traffic(const PlaceOptions& o, const PlaceResult& result, results::Results& results) {
  constexpr int kMostPairedGpus = 160;  // 25,600 rows a plan: 1.5 MB
  const spec::GroupShape group{o.problem.gpus, o.problem.gpus_per_node()};
  std::vector<std::size_t> shown = {result.best};
  if (shown.front() != 0) shown.push_back(0);
  for (const std::size_t number : shown) {
    const PlaceRow& r = result.rows[number];
    const PlanSource& from = result.sources[r.planned];
    Workload w = (o.scored.empty() ? o.planned : o.scored)[r.scored];
    const routing::GateShape gate = gate_of(o, w);
    w.loads = at_layers(w.loads, from.loads.layers, w.name, from.name);
    const std::vector<double> copies = pair_copies(w, gate, result.maps[r.maps], group, o.replica_choice);
    if (copies.empty()) continue;
    const double bytes =
        o.model ? double(o.prefill_tokens) * group.gpus * double(exchange_row_bytes(o).v) : std::nan("");
    const auto add = [&](const char* level, int source, int destination, double value) {
      using Value = results::Results::Value;
      results.add(results::Table::gpu_traffic, {scope_of(r), level, source, destination, value,
                                                o.model ? Value(value * bytes) : results::Results::null()});
    };
    const int nodes = group.nodes();
    std::vector<double> between(std::size_t(nodes) * std::size_t(nodes));
    for (int s = 0; s < group.gpus; ++s)
      for (int d = 0; d < group.gpus; ++d) {
        const double value = copies[std::size_t(s) * std::size_t(group.gpus) + std::size_t(d)];
        between[std::size_t(group.node_of(s)) * std::size_t(nodes) + std::size_t(group.node_of(d))] += value;
        if (group.gpus <= kMostPairedGpus) add("gpu", s, d, value);
      }
    for (int s = 0; s < nodes; ++s)
      for (int d = 0; d < nodes; ++d) add("node", s, d, between[std::size_t(s) * std::size_t(nodes) + std::size_t(d)]);
  }
}

void store_drift(const PlaceOptions& o, const PlaceResult& result, results::Results& results) {
  for (const DriftPoint& p : drift_curves(o, result))
    results.add(results::Table::drift, {p.strategy, p.slots, p.minutes, p.balance, p.least, p.regret, p.plans});
}
}  // namespace

std::uint64_t fingerprint_of(const PlaceResult& result) {
  std::uint64_t out = 0xcbf29ce484222325;  // FNV-1a
  const auto take = [&](std::uint64_t v) { out = (out ^ v) * 0x100000001b3; };
  for (const std::vector<exchange::ExpertMap>& plan : result.maps)
    for (const exchange::ExpertMap& map : plan)
      for (const auto expert : map.slot_to_expert) take(std::uint64_t(std::int64_t(expert)));
  for (const PlaceRow& r : result.rows) take(std::bit_cast<std::uint64_t>(r.score.gap));
  return out;
}

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
    const bool still = r.moves && *r.moves == 0;  // then nothing takes any bytes or time
    if (r.migration.v > 0 || (still && o.model)) results.metric("migration_bytes", double(r.migration.v), "B", scope);
    if (r.migration_time.v > 0 || (still && o.model && o.cluster))
      results.metric("migration_time", seconds(r.migration_time), "s", scope);
  };
  for (const NotApplied& n : result.not_applied)
    results.add(results::Table::assumption,
                {fmt::format("placement:{}:{}", n.strategy, n.slots), "strategy", n.strategy + " left out", n.reason});
  for (const std::string& note : result.notes)
    results.add(results::Table::assumption, {"run", "note", note, "bears on the figures"});
  for (const PlaceRow& r : result.rows) metrics(r, scope_of(r));
  if (result.kernels) compute::write_provenance(results, *result.kernels);
  store_gpu_loads(result, results);
  store_traffic(o, result, results);
  store_drift(o, result, results);
  results.metric("gpus", o.problem.gpus, "");
  if (o.cluster) results.metric("cost_per_hour", o.problem.gpus * o.cluster->node.gpu.price.v, "USD");
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
    if (l.bound > 0) results.metric("balancedness_bound", l.balance * l.slowest / l.bound, "", scope);
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
