#include "placing/place.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/interrupt.h"
#include "core/words.h"
#include "forward/precision.h"
#include "network/exchanges/exchange.h"
#include "placement/rebalancing/migration.h"
#include "placing/place_notes.h"
#include "placing/place_plans.h"
#include "placing/place_times.h"
#include "placing/place_traffic.h"
#include "spec/count.h"

namespace moesim::placing {

routing::GateShape gate_of(const PlaceOptions& o, const Workload& w) {
  routing::GateShape out{w.loads.experts, o.top_k, 1, 1};
  if (w.trace) {
    const routing::TraceHeader& h = w.trace->header();
    out = {h.experts, h.top_k, h.groups, h.groups_used};
  } else if (o.model && o.model->moe) {
    out = routing::gate_shape(*o.model->moe);
  }
  return out;
}

namespace {
/// Who says how many experts a token of the workload chooses, and what; 0 if nobody but the user can.
std::pair<std::string, int> told_top_k(const PlaceOptions& o, const Workload& w) {
  if (w.trace) return {w.name, w.trace->header().top_k};
  if (o.model && o.model->moe) return {o.model->name, o.model->moe->rows_a_token()};
  return {};
}

void check_options(const PlaceOptions& o) {
  check(!o.planned.empty() && !o.strategies.empty(), "place needs a workload and a strategy");
  const int experts = o.planned[0].loads.experts;
  for (const auto* list : {&o.planned, &o.scored})
    for (const Workload& w : *list)
      if (w.loads.experts != experts)
        throw ConfigError(
            fmt::format("{}: has {} experts, but {} has {}", w.name, w.loads.experts, o.planned[0].name, experts));
  if (o.top_k > experts)
    throw ConfigError::placed(fmt::format("--top-k: a token chooses among {} experts, got {}", experts, o.top_k));
  for (const auto* list : {&o.planned, &o.scored})
    for (const Workload& w : *list)
      if (const auto& [who, own] = told_top_k(o, w); o.top_k > 0 && own > 0 && own != o.top_k)
        throw ConfigError::placed(fmt::format("--top-k: {} says itself that a token chooses {}, got {}", who,
                                              counted(own, "expert"), o.top_k));
  for (const int n : o.slots)
    if (std::ranges::count(o.slots, n) > 1) throw ConfigError("slots", fmt::format("{} is listed twice", n));
  const int slots = std::max(o.slots.empty() ? o.problem.slots : std::ranges::max(o.slots),
                             std::accumulate(o.problem.gpu_slots.begin(), o.problem.gpu_slots.end(), 0));
  for (const auto* list : {&o.planned, &o.scored})
    for (const Workload& w : *list) (void)o.replica_choice.levels_sums(w.name, !w.trace && slots > experts);
  if (o.window_minutes > 0 && (o.together || !o.scored.empty()))
    throw ConfigError::placed(
        "--window-minutes: plans are made from the windows in turn and scored on those after them: give neither "
        "--together nor --eval");
  if (o.window_minutes > 0 && std::size_t(o.windows_a_plan) >= o.planned.size())
    throw ConfigError::placed(
        fmt::format("--window-minutes: needs more windows than the {} that a plan is made from, got {}",
                    o.windows_a_plan, o.planned.size()));
  if (o.cluster && !o.model) throw ConfigError::placed("--cluster: times need the model too, --model");
  if (!o.model) return;
  if (!o.model->moe) throw ConfigError(fmt::format("{}: has no experts to place", o.model->name));
  if (o.model->moe->experts != experts)
    throw ConfigError(fmt::format("{}: has {} experts, but {} has {}", o.planned[0].name, experts, o.model->name,
                                  o.model->moe->experts));
}

void count_migration(const PlaceOptions& o, PlaceRow& row, std::span<const exchange::ExpertMap> maps,
                     const spec::GroupShape& group, const placement::Loads& loads) {
  if (!o.from) return;
  std::vector<placement::ExpertMove> all;
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const std::vector<placement::ExpertMove> layer =
        placement::moves(loads.layers[i], in_force(o, loads.layers[i]), maps[i], group);
    all.insert(all.end(), layer.begin(), layer.end());
  }
  row.moves = int(all.size());
  if (!o.model) return;
  const Bytes expert = expert_weight_bytes(*o.model);
  row.migration = expert * std::int64_t(all.size());
  if (!o.cluster) return;
  const placement::MovePorts ports = placement::busiest_ports(all, group);
  row.migration_time = std::max(expert * std::int64_t(ports.most_inside) / o.cluster->node.gpu.nvlink,
                                expert * std::int64_t(ports.most_between) / o.cluster->node.nic);
}

/// Figures of every plan that is scored on `workload`, which has the layers of what they were planned from.
void add_rows(const PlaceOptions& o, const Workload& workload, std::size_t number, std::span<const Planned> plans,
              std::span<const std::size_t> chosen, bool own, compute::KernelCosts* costs, PlaceResult& result) {
  const spec::GroupShape group{o.problem.gpus, o.problem.gpus_per_node()};
  const routing::GateShape gate = gate_of(o, workload);
  std::vector<const std::vector<exchange::ExpertMap>*> maps;
  for (const std::size_t i : chosen) maps.push_back(&plans[i].maps);
  std::vector<TrafficShape> traffic;
  if (gate.top_k > 0) traffic = traffic_shapes(workload, gate, maps, group, o.replica_choice);
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    stop_if_interrupted();
    const Planned& p = plans[chosen[k]];
    PlaceRow row;
    row.strategy = o.strategies[p.strategy].name;
    if (o.planned.size() + o.scored.size() > 1) {
      row.planned_on = result.sources[p.source].name;
      row.scored_on = workload.name;
    }
    row.slots = p.problem.slots;
    row.score = score(workload.loads, p.maps, p.problem, o.sharing, p.shares);
    row.plan_time = p.plan_time;
    row.planned = p.source;
    row.own = own;
    row.scored = number;
    row.maps = chosen[k];
    if (!traffic.empty()) row.traffic = traffic[k];
    for (const exchange::ExpertMap& map : p.maps) row.wasted_slots += wasted_slots(map);
    count_migration(o, row, p.maps, group, workload.loads);
    if (o.model) {
      row.memory =
          expert_weight_bytes(*o.model) * std::int64_t(p.problem.slots_per_gpu()) * std::int64_t(p.maps.size());
      if (row.traffic) {
        const double tokens = double(o.prefill_tokens) * o.problem.gpus;
        const Bytes bytes = exchange_row_bytes(o);
        row.nic_bytes = {std::int64_t(row.traffic->busiest_nic * tokens * double(bytes.v))};
        row.nvlink_bytes = {std::int64_t(row.traffic->busiest_nvlink * tokens * double(bytes.v))};
      }
    }
    result.rows.push_back(std::move(row));
  }
  if (!o.cluster || !o.model || gate.top_k == 0) return;
  for (const compute::StepPhase phase : {compute::StepPhase::prefill, compute::StepPhase::decode}) {
    PlaceTimes times(o, workload, gate, phase, costs);
    for (std::size_t k = 0; k < chosen.size(); ++k) {
      PlaceRow& row = result.rows[result.rows.size() - chosen.size() + k];
      (phase == compute::StepPhase::prefill ? row.prefill : row.decode) = times(plans[chosen[k]].maps);
    }
  }
}
/// The plan that is the most even, mean over what it is scored on: its row on its own load, else its first.  Gaps to
/// the bound do not compare plans with different numbers of slots: the bound of few slots is low, and so is nearer.
std::size_t best_row(const std::vector<PlaceRow>& rows) {
  std::size_t best = 0;
  double most = -1;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    double sum = 0;
    std::size_t count = 0, shown = i;
    for (std::size_t j = 0; j < rows.size(); ++j) {
      if (rows[j].maps != rows[i].maps) continue;
      sum += rows[j].score.balancedness;
      ++count;
      if (rows[j].own && !rows[shown].own) shown = j;
    }
    if (sum / double(count) > most) most = sum / double(count), best = shown;
  }
  return best;
}
}  // namespace

Bytes expert_weight_bytes(const spec::Model& model) {
  const spec::Storage storage = spec::released_storage(model);
  const spec::Dtype dtype = storage.of(spec::ParameterPart::routed);
  const double block = double(spec::matrix_bytes(1024, 1024, dtype)) / (1024 * 1024);  // scales included
  return {std::int64_t(std::ceil(double(spec::expert_parameters(model)) * block))};
}

Bytes exchange_row_bytes(const PlaceOptions& o) {
  const spec::Model& model = *o.model;
  const auto phase = compute::StepPhase::prefill;
  const compute::Precisions precision = o.cluster ? forward::released_precision(model, o.cluster->node.gpu, phase)
                                                  : forward::released_precision(model, phase);
  return forward::dispatched_row(model.row_width(), precision) + forward::combined_row(model.row_width());
}

PlaceResult place(const PlaceOptions& o) {
  check_options(o);
  PlaceResult result;
  result.sources = plan_sources(o);
  std::vector<Planned> plans = plan_all(o, result.sources, result.not_applied);
  const bool timed = o.cluster && o.model;
  const auto kernels = timed ? place_kernels(o) : nullptr;
  const auto costs = timed ? std::make_unique<compute::KernelCosts>(*kernels) : nullptr;
  for (std::size_t source = 0; source < result.sources.size(); ++source) {
    const PlanSource& from = result.sources[source];
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < plans.size(); ++i)
      if (plans[i].source == source) chosen.push_back(i);
    if (chosen.empty()) continue;
    const std::vector<Workload>& all = o.scored.empty() ? o.planned : o.scored;
    for (std::size_t number = 0; number < all.size(); ++number) {
      const Workload& scored = all[number];
      Workload same = scored;
      same.loads = at_layers(scored.loads, from.loads.layers, scored.name, from.name);
      const bool own =
          std::ranges::any_of(from.members, [&](std::size_t m) { return same_workload(o.planned[m], scored); });
      add_rows(o, same, number, plans, chosen, own, costs.get(), result);
    }
  }
  result.best = best_row(result.rows);
  if (std::ranges::any_of(result.rows, [](const PlaceRow& r) { return r.decode.has_value(); }))
    result.kernels = costs->summary();
  for (Planned& p : plans) result.maps.push_back(std::move(p.maps));
  result.notes = notes_on(o, result);
  return result;
}

std::vector<SlotGain> slot_gains(const PlaceResult& result) {
  struct Tried {
    const PlaceRow* row;
    double balance = 0;
    int scored = 0;
  };
  std::vector<Tried> tried;  // one a plan, its balance summed over what it is scored on
  for (const PlaceRow& r : result.rows) {
    auto at = std::ranges::find_if(tried, [&](const Tried& t) { return t.row->maps == r.maps; });
    if (at == tried.end()) at = tried.insert(tried.end(), {&r});
    at->balance += r.score.balancedness;
    ++at->scored;
  }
  std::vector<SlotGain> out;
  for (const Tried& more : tried) {
    const Tried* fewer = nullptr;  // the next fewer slots of the same strategy and source
    for (const Tried& t : tried)
      if (t.row->strategy == more.row->strategy && t.row->planned == more.row->planned &&
          t.row->slots < more.row->slots && (!fewer || t.row->slots > fewer->row->slots))
        fewer = &t;
    if (!fewer) continue;
    const double balance = more.balance / more.scored;
    out.push_back({more.row->strategy, more.row->planned_on, fewer->row->slots, more.row->slots, balance,
                   balance - fewer->balance / fewer->scored, more.row->memory - fewer->row->memory});
  }
  return out;
}

placement::ModelPlacement placement_of(const PlaceOptions& o, const PlaceResult& result, std::size_t row) {
  const placement::Loads& loads = result.sources[result.rows[row].planned].loads;
  return {loads.layers, result.maps[result.rows[row].maps], loads.hidden_layers, o.problem.nodes,
          result.rows[row].strategy};
}
}  // namespace moesim::placing
