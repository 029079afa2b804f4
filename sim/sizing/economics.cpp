#include "sizing/economics.h"

#include <algorithm>
#include <limits>

namespace moesim::sizing {
namespace {
double per_million(double usd_an_hour, double tokens_a_second) {
  return tokens_a_second > 0 ? usd_an_hour / 3600 / tokens_a_second * 1e6 : 0;
}

/// GPUs that a pool's instances hold, which are all that its run knows of.
double used_of(const Deployment& d, std::size_t p) { return double(d.pools[p].gpus()) * d.instances[p]; }
double used(const Deployment& d) {
  double out = 0;
  for (std::size_t p = 0; p < d.pools.size(); ++p) out += used_of(d, p);
  return out;
}

/// GPUs that are paid for a pool: those of its own nodes; where nodes are shared, its part of all by what it uses.
double paid_of(const Deployment& d, std::size_t p) {
  double alone = 0, own = 0;
  for (std::size_t k = 0; k < d.pools.size(); ++k) {
    const Deployment pool{d.node, d.engine, {d.pools[k]}, {d.instances[k]}};
    alone += pool.gpus();
    if (k == p) own = pool.gpus();
  }
  return alone <= d.gpus() ? own : d.gpus() * used_of(d, p) / used(d);
}
}  // namespace

Economics economics_of(const Plan& plan, const Entry& entry) {
  const Deployment& d = entry.deployment;
  Economics out{d.gpus(), d.nodes(), d.cost_per_hour()};
  const double median = entry.figures ? entry.figures->latency[latency_index("tpot_p50")] : entry.tpot;
  out.tokens_per_user = median > 0 ? 1 / median : 0;
  if (entry.figures) {
    const Figures& f = *entry.figures;
    out.used_gpus = f.gpus;
    out.cost_per_million = f.cost_per_million * d.gpus() / used(d);
    const std::size_t last = d.pools.size() - 1;
    out.cost_per_million_input = f.cost_per_million_input * paid_of(d, 0) / used_of(d, 0);
    out.cost_per_million_output = f.cost_per_million_output * paid_of(d, last) / used_of(d, last);
    out.tokens_per_gpu = f.tokens_per_gpu * used(d) / d.gpus();
    return out;
  }
  const double rate = rate_of(plan, entry.ttft, entry.tpot), input = rate * plan.load.input,
               output = rate * plan.load.output;
  out.used_gpus = out.gpus;
  out.cost_per_million = per_million(out.cost_per_hour, input + output);
  out.tokens_per_gpu = (input + output) / out.gpus;
  if (d.pools.size() < 2) return out;
  out.cost_per_million_input = per_million(paid_of(d, 0) * d.node->gpu_hour, input);
  out.cost_per_million_output = per_million(paid_of(d, 1) * d.node->gpu_hour, output);
  return out;
}

std::vector<PriceBreak> price_breaks(const Plan& plan, const Search& s) {
  if (!s.winner) return {};
  const Deployment& answer = s.entries[*s.winner].deployment;
  std::vector<PriceBreak> out{{answer.node, std::numeric_limits<double>::infinity(), *s.winner}};
  for (const PricedNode& node : plan.nodes) {
    const Entry* best = nullptr;
    for (const Entry& e : s.entries)
      if (holds(e) && e.deployment.node == &node && (best == nullptr || e.deployment.gpus() < best->deployment.gpus()))
        best = &e;
    if (best == nullptr || &node == answer.node) continue;
    out.push_back({&node, answer.cost_per_hour() / best->deployment.gpus(), std::size_t(best - s.entries.data())});
    out.front().at = std::min(out.front().at, best->deployment.cost_per_hour() / answer.gpus());
  }
  return out.size() > 1 ? out : std::vector<PriceBreak>{};
}
}  // namespace moesim::sizing
