#include "sizing/node_loss.h"

#include <fmt/format.h>

#include <algorithm>

#include "results/summary.h"
#include "serving/deployment/section.h"
#include "sizing/unit_model.h"

namespace moesim::sizing {
namespace {
constexpr double kMonth = 30 * 86400.0;  // s

/// A pool beside the node that is lost.
struct Struck {
  bool touched = false;  // GPUs of it are on the node
  bool whole = false;    // an instance that loses GPUs cannot go on
  bool gone = false;     // none of its instances can
};

Struck struck(const Plan& plan, const Deployment& d, std::size_t p, int node) {
  const int per_node = d.node->node.gpus, each = d.pools[p].gpus();
  const auto is_on_it = [&](int first) { return first / per_node <= node && node <= (first + each - 1) / per_node; };
  const std::vector<int> places = d.places()[p];
  Struck out;
  out.touched = std::ranges::any_of(places, is_on_it);
  if (!out.touched) return out;
  // A broken tensor group cannot go on, nor what has nothing beside the node (serving/step/layered_faults.cpp).
  out.whole =
      each <= per_node || d.pools[p].tensor > 1 || d.pools[p].pipeline > 1 || !is_placed(d.pools[p], plan.model);
  out.gone = out.whole && std::ranges::all_of(places, is_on_it);
  return out;
}

double weights_on_node(const Plan& plan, const Deployment& d, std::size_t p, SharedParts& shared) {
  UnitModel model(plan, *d.node, d.engine, d.pools[p], shared);
  return model.memory(d.pools[p].batch, d.pools[p].tokens).weights * std::min(d.node->node.gpus, d.pools[p].gpus());
}

/// What the figures are of, and what is served meanwhile.
std::string outage_text(const Trial& trial, double away, bool gone) {
  std::string out = fmt::format("in the {} from then on", results::pretty(seconds(trial.duration - trial.warmup), "s"));
  if (gone)
    out += fmt::format("; nothing is served for {}, {} of a month", results::pretty(away, "s"),
                       results::share_text(away / kMonth));
  return out;
}
}  // namespace

Time start_up_of(double weights) {
  constexpr double kDisk = 6e9;  // B/s; as the default of serving's kv.disk_bandwidth, an NVMe drive
  // assumed: process, memory pools, kernels and graphs; with R1's 0.7 TB it is the 3 min of
  // scenarios/serve-deepseek-v3-production.yaml
  constexpr double kWarmUp = 60;
  return from_seconds(weights / kDisk + kWarmUp);
}

std::vector<NodeLoss> node_losses(const Plan& plan, const Entry& answer) {
  const Deployment& d = answer.deployment;
  const int node = d.places().back().front() / d.node->node.gpus;
  bool whole = false;
  std::string gone;      // pools
  std::size_t dead = 0;  // the first of them
  SharedParts shared;
  Time start_up{};
  for (std::size_t p = 0; p < d.pools.size(); ++p) {
    const Struck s = struck(plan, d, p, node);
    whole = whole || s.whole;
    if (s.gone && gone.empty()) dead = p;
    if (s.gone) gone += fmt::format("{}{}", gone.empty() ? "" : " and ", name_of(d.pools[p].role));
    if (s.touched) start_up = std::max(start_up, start_up_of(weights_on_node(plan, d, p, shared)));
  }
  const Time away = serving::Fault{}.detect + start_up;
  Trial base = answer.trial;
  base.unfolded = true;
  // What goes on without the node has it back once a spare has its weights; an instance that is lost starts anew.
  const auto lost = [&](const std::string& repair) {
    return fmt::format("[{{kind: node, at: {}, pool: {}, instance: 0{}}}]", to_text(base.warmup),
                       name_of(d.pools.back().role), repair);
  };
  std::vector<NodeLoss> out{{CheckKind::node_loss, "a node lost, no spare", base}, {CheckKind::spare, "", base}};
  out[0].trial.faults = lost("");
  if (!whole) out[0].what += ": its instance goes on without";
  if (!gone.empty()) {
    out[0].served = false, out[0].pool = dead;
    out[0].outage = fmt::format("{}: nothing is served until it is back, each hour is {} of a month",
                                d.nodes() == 1 ? "it is the only node" : "all of " + gone + " is on it",
                                results::share_text(3600 / kMonth));
  }
  constexpr Time kForever = 86400_s * 30;  // the longest that serving takes
  if (whole) out[0].trial.start_up = std::min(base.duration * 10, kForever);
  out[1].what =
      fmt::format("a node lost, after {} a spare serves that is not in the price", results::pretty(seconds(away), "s"));
  out[1].trial.faults = lost(", repair: " + to_text(away));
  if (whole) out[1].trial.start_up = start_up;
  out[1].trial.duration += away;  // so that what comes after it is seen as well
  out[1].outage = outage_text(out[1].trial, seconds(away), !gone.empty());
  return out;
}
}  // namespace moesim::sizing
