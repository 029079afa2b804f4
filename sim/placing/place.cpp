#include "placing/place.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "core/check.h"
#include "core/interrupt.h"
#include "formats/byte_file.h"
#include "forward/precision.h"
#include "network/exchanges/exchange.h"
#include "placement/from_trace.h"
#include "placement/rebalancing/migration.h"
#include "placing/load_files.h"
#include "placing/place_times.h"
#include "placing/place_traffic.h"
#include "spec/count.h"

namespace moesim::placing {
namespace {
bool is_database(const std::string& file) { return formats::ByteFile(file).head(15) == "SQLite format 3"; }

routing::TokenRange parse_range(const std::string& window, std::int64_t tokens) {
  routing::TokenRange out{0, tokens};
  if (window.empty()) return out;
  const std::size_t colon = window.find(':');
  const auto part = [&](std::string_view text, std::int64_t& value) {
    if (text.empty()) return true;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  };
  const std::string_view text = window;
  if (colon == std::string::npos || !part(text.substr(0, colon), out.first) || !part(text.substr(colon + 1), out.end))
    throw ConfigError(fmt::format("a window of tokens is written FIRST:END, got \"{}\"", window));
  return out;
}
}  // namespace

Workload read_workload(const std::string& file, const std::string& window) {
  Workload out;
  out.name = std::filesystem::path(file).stem().string();
  if (is_database(file)) {
    out.trace = std::make_shared<routing::Trace>(file);
    out.range = parse_range(window, out.trace->tokens());
    out.loads = placement::loads_of_trace(*out.trace, out.range);
    if (!window.empty()) out.name += fmt::format("[{}:{}]", out.range.first, out.range.end);
  } else {
    if (!window.empty()) throw ConfigError(fmt::format("{}: counts have no window of tokens", file));
    out.loads = read_loads(file);
  }
  return out;
}

namespace {
/// The rows of `loads` at these layers.  Throws ConfigError if one is not there.
placement::Loads at_layers(const placement::Loads& loads, std::span<const int> layers, const std::string& name,
                           const std::string& planned) {
  placement::Loads out = loads;
  out.layers.assign(layers.begin(), layers.end());
  out.counts.clear();
  for (const int layer : layers) {
    const auto found = std::ranges::lower_bound(loads.layers, layer);
    if (found == loads.layers.end() || *found != layer)
      throw ConfigError(fmt::format("{}: has no load in layer {}, which {} has", name, layer, planned));
    const auto row = loads.row(std::size_t(found - loads.layers.begin()));
    out.counts.insert(out.counts.end(), row.begin(), row.end());
  }
  return out;
}

routing::GateShape gate_of(const PlaceOptions& o, const Workload& w) {
  routing::GateShape out{w.loads.experts, o.top_k, 1, 1};
  if (w.trace) {
    const routing::TraceHeader& h = w.trace->header();
    out = {h.experts, h.top_k, h.groups, h.groups_used};
  } else if (o.model && o.model->moe) {
    out = {o.model->moe->experts, o.model->moe->top_k, o.model->moe->groups, o.model->moe->groups_used};
  }
  return out;
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
  const int slots = std::max(o.slots.empty() ? o.problem.slots : std::ranges::max(o.slots),
                             std::accumulate(o.problem.gpu_slots.begin(), o.problem.gpu_slots.end(), 0));
  for (const auto* list : {&o.planned, &o.scored})
    for (const Workload& w : *list) o.replica_choice.only_even(w.name, !w.trace && slots > experts);
  if (o.cluster && !o.model) throw ConfigError::placed("--cluster: times need the model too, --model");
  if (!o.model) return;
  if (!o.model->moe) throw ConfigError(fmt::format("{}: has no experts to place", o.model->name));
  if (o.model->moe->experts != experts)
    throw ConfigError(fmt::format("{}: has {} experts, but {} has {}", o.planned[0].name, experts, o.model->name,
                                  o.model->moe->experts));
}

std::string name_of(const PlaceOptions& o, const Workload& w) {
  return o.planned.size() + o.scored.size() > 1 ? w.name : "";
}

void count_migration(const PlaceOptions& o, PlaceRow& row, std::span<const exchange::ExpertMap> maps,
                     const spec::GroupShape& group, const placement::Loads& loads) {
  if (!o.from) return;
  std::vector<placement::ExpertMove> all;
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const std::vector<placement::ExpertMove> layer = placement::moves(loads.layers[i], o.from->maps[i], maps[i], group);
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

struct Planned {
  std::size_t workload, strategy;
  placement::PlacementProblem problem;
  std::vector<exchange::ExpertMap> maps;
  double plan_time = 0;
};

Planned plan_one(const PlaceOptions& o, std::size_t workload, std::size_t strategy,
                 const placement::PlacementProblem& problem, const placement::RoutingSample* sample,
                 const placement::LayerCost& cost) {
  const placement::Loads& loads = o.planned[workload].loads;
  const Config& config = o.strategies[strategy].config;
  const auto policy = placement::placements().make(config);
  Planned out{workload, strategy, problem, {}, 0};
  const auto start = std::chrono::steady_clock::now();
  out.maps = config.placed([&] {
    return placement::plan(*policy, {loads, problem, sample, cost, o.replica_choice, o.give_trace});
  });
  out.plan_time = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (o.from && o.keep_places && problem.even()) {
    const spec::GroupShape group{problem.gpus, problem.gpus_per_node()};
    for (std::size_t row = 0; row < out.maps.size(); ++row)
      out.maps[row] = placement::aligned(o.from->maps[row], out.maps[row], group);
  }
  return out;
}

std::vector<Planned> plan_all(const PlaceOptions& o) {
  std::vector<Planned> out;
  for (std::size_t w = 0; w < o.planned.size(); ++w) {
    const Workload& workload = o.planned[w];
    std::optional<placement::RoutingSample> sample;
    if (workload.trace) sample = placement::sample_of_trace(*workload.trace, workload.range, workload.loads, o.sample);
    // What strategies that minimise time minimise: the simulated decode layer, where it can be simulated.
    std::shared_ptr<PlaceTimes> times;
    placement::LayerCost cost;
    if (o.cluster && o.model && gate_of(o, workload).top_k > 0) {
      times = std::make_shared<PlaceTimes>(o, workload, gate_of(o, workload), compute::StepPhase::decode);
      cost = [times](std::size_t row, const exchange::ExpertMap& map) { return seconds(times->layer(row, map)); };
    }
    std::vector<int> slots = o.slots;
    if (slots.empty()) slots.push_back(o.problem.slots);
    for (const int n : slots) {
      placement::PlacementProblem problem = o.problem;
      problem.slots = n;
      problem = placement::checked(problem, workload.loads.experts);
      for (std::size_t s = 0; s < o.strategies.size(); ++s, stop_if_interrupted())
        out.push_back(plan_one(o, w, s, problem, sample ? &*sample : nullptr, cost));
    }
  }
  return out;
}

/// Figures of every plan that is scored on `workload`, which has the layers of what they were planned from.
void add_rows(const PlaceOptions& o, const Workload& workload, std::span<const Planned> plans,
              std::span<const std::size_t> chosen, PlaceResult& result) {
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
    row.planned_on = name_of(o, o.planned[p.workload]);
    row.scored_on = name_of(o, workload);
    row.slots = p.problem.slots;
    row.score = score(workload.loads, p.maps, p.problem, o.sharing);
    row.plan_time = p.plan_time;
    row.planned = p.workload;
    row.maps = chosen[k];
    if (!traffic.empty()) row.traffic = traffic[k];
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
    PlaceTimes times(o, workload, gate, phase);
    for (std::size_t k = 0; k < chosen.size(); ++k) {
      PlaceRow& row = result.rows[result.rows.size() - chosen.size() + k];
      (phase == compute::StepPhase::prefill ? row.prefill : row.decode) = times(plans[chosen[k]].maps);
    }
  }
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
  return forward::dispatched_row(model.hidden, precision) + forward::combined_row(model.hidden);
}

PlaceResult place(const PlaceOptions& o) {
  check_options(o);
  std::vector<Planned> plans = plan_all(o);
  PlaceResult result;
  for (std::size_t w = 0; w < o.planned.size(); ++w) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < plans.size(); ++i)
      if (plans[i].workload == w) chosen.push_back(i);
    if (o.scored.empty()) {
      add_rows(o, o.planned[w], plans, chosen, result);
      continue;
    }
    for (const Workload& scored : o.scored) {
      Workload same = scored;
      same.loads = at_layers(scored.loads, o.planned[w].loads.layers, scored.name, o.planned[w].name);
      add_rows(o, same, plans, chosen, result);
    }
  }
  for (std::size_t i = 1; i < result.rows.size(); ++i)
    if (result.rows[i].score.gap < result.rows[result.best].score.gap) result.best = i;
  for (Planned& p : plans) result.maps.push_back(std::move(p.maps));
  return result;
}

placement::ModelPlacement placement_of(const PlaceOptions& o, const PlaceResult& result, std::size_t row) {
  const placement::Loads& loads = o.planned[result.rows[row].planned].loads;
  return {loads.layers, result.maps[result.rows[row].maps], loads.hidden_layers, o.problem.nodes,
          result.rows[row].strategy};
}
}  // namespace moesim::placing
