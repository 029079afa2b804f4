#include "placing/place_plans.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/check.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "placement/from_trace.h"
#include "placement/rebalancing/migration.h"
#include "placing/place_times.h"

namespace moesim::placing {
namespace {
/// What strategies plan one source from.
struct Material {
  placement::Loads loads;
  std::vector<placement::Loads> windows;  // of several members
  std::optional<placement::RoutingSample> sample;
  placement::LayerCost cost;
};

/// Samples of the same layers, one after the other in each.
void append(placement::RoutingSample& all, const placement::RoutingSample& more, std::size_t rows,
            const std::string& who) {
  if (more.top_k != all.top_k)
    throw ConfigError::placed(
        fmt::format("{}: has {} choices a token, but the traces before it have {}", who, more.top_k, all.top_k));
  placement::RoutingSample out{all.tokens + more.tokens, all.top_k, {}, all.dealt || more.dealt};
  for (std::size_t row = 0; row < rows; ++row)
    for (const placement::RoutingSample* part : {&std::as_const(all), &more})
      for (std::size_t t = 0; t < part->tokens; ++t)
        out.ids.insert(out.ids.end(), part->chosen(row, t).begin(), part->chosen(row, t).end());
  all = std::move(out);
}

Material material(const PlaceOptions& o, const PlanSource& source) {
  Material out;
  out.loads = source.loads;
  std::vector<std::shared_ptr<PlaceTimes>> times;
  const auto members = std::int64_t(source.members.size());
  for (const std::size_t m : source.members) {
    const Workload& w = o.planned[m];
    if (members > 1) out.windows.push_back(w.loads);
    if (w.trace) {
      const placement::RoutingSample sample =
          placement::sample_of_trace(*w.trace, w.range, w.loads, std::max<std::int64_t>(1, o.sample / members));
      if (out.sample)
        append(*out.sample, sample, w.loads.rows(), w.name);
      else
        out.sample = sample;
    }
    // What strategies that minimise time minimise: the simulated decode layer, where it can be simulated.
    if (const routing::GateShape gate = gate_of(o, w); o.cluster && o.model && gate.top_k > 0)
      times.push_back(std::make_shared<PlaceTimes>(o, w, gate, compute::StepPhase::decode));
  }
  if (!times.empty())
    out.cost = [times](std::size_t row, const exchange::ExpertMap& map) {
      double sum = 0;
      for (const auto& one : times) sum += seconds(one->layer(row, map));
      return sum;
    };
  return out;
}

Planned plan_one(const PlaceOptions& o, std::size_t source, std::size_t strategy,
                 const placement::PlacementProblem& problem, const Material& from) {
  const auto policy = placement::placements().make(o.strategies[strategy].config);
  Planned out{source, strategy, problem, {}, {}, 0};
  const auto start = std::chrono::steady_clock::now();
  out.maps = placement::plan(*policy, {.loads = from.loads,
                                       .problem = problem,
                                       .sample = from.sample ? &*from.sample : nullptr,
                                       .cost = from.cost,
                                       .replica_choice = o.replica_choice,
                                       .give_trace = o.give_trace,
                                       .windows = from.windows});
  out.plan_time = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (o.from && o.keep_places && problem.even()) {
    const spec::GroupShape group{problem.gpus, problem.gpus_per_node()};
    for (std::size_t row = 0; row < out.maps.size(); ++row)
      out.maps[row] = placement::aligned(in_force(o, from.loads.layers[row]), out.maps[row], group);
  }
  if (o.sharing == placement::Sharing::planned) {
    const std::span<const placement::Loads> windows = from.windows.empty() ? std::span(&from.loads, 1) : from.windows;
    out.shares = placement::planned_shares(windows, out.maps, problem);
  }
  return out;
}
}  // namespace

const exchange::ExpertMap& in_force(const PlaceOptions& o, int layer) {
  const auto at = std::ranges::find(o.from->layers, layer);
  if (at == o.from->layers.end())
    throw ConfigError::placed(fmt::format("the placement in force has no layer {}, which was planned", layer));
  return o.from->maps[std::size_t(at - o.from->layers.begin())];
}

std::vector<PlanSource> plan_sources(const PlaceOptions& o) {
  std::vector<PlanSource> out;
  if (o.together && o.planned.size() > 1) {
    out.push_back({"together", mean_loads(o.planned), {}});
    for (std::size_t w = 0; w < o.planned.size(); ++w) out[0].members.push_back(w);
    return out;
  }
  const auto together = std::size_t(o.windows_a_plan);
  if (together > 1) {
    for (std::size_t first = 0; first + together <= o.planned.size(); ++first) {
      const std::span<const Workload> windows = std::span(o.planned).subspan(first, together);
      out.push_back({fmt::format("{} to {}", windows.front().name, windows.back().name), mean_loads(windows), {}});
      for (std::size_t w = first; w < first + together; ++w) out.back().members.push_back(w);
    }
    return out;
  }
  for (std::size_t w = 0; w < o.planned.size(); ++w) out.push_back({o.planned[w].name, o.planned[w].loads, {w}});
  return out;
}

std::vector<Planned> plan_all(const PlaceOptions& o, const std::vector<PlanSource>& sources,
                              std::vector<NotApplied>& not_applied) {
  std::vector<Planned> out;
  std::optional<ConfigError> first;  // and whose it was
  const StrategyChoice* refusing = nullptr;
  std::vector<int> slots = o.slots;
  if (slots.empty()) slots.push_back(o.problem.slots);
  Progress progress("planning", sources.size() * slots.size() * o.strategies.size(), "plans");
  for (std::size_t source = 0; source < sources.size(); ++source) {
    const Material from = material(o, sources[source]);
    for (const int n : slots) {
      placement::PlacementProblem problem = o.problem;
      problem.slots = n;
      problem = placement::checked(problem, from.loads.experts);
      for (std::size_t s = 0; s < o.strategies.size(); ++s, stop_if_interrupted()) {
        progress.at(out.size() + not_applied.size(), o.strategies[s].name);
        try {
          out.push_back(plan_one(o, source, s, problem, from));
        } catch (const ConfigError& e) {
          if (e.has_place()) throw;
          not_applied.push_back(
              {o.strategies[s].name, sources.size() > 1 ? sources[source].name : "", problem.slots, e.what()});
          if (!first) first = e, refusing = &o.strategies[s];
        }
      }
    }
  }
  if (out.empty()) refusing->config.placed([&] { throw *first; });
  return out;
}
}  // namespace moesim::placing
