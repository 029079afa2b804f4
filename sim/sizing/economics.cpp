#include "sizing/economics.h"

namespace moesim::sizing {
namespace {
double per_million(double usd_an_hour, double tokens_a_second) {
  return tokens_a_second > 0 ? usd_an_hour / 3600 / tokens_a_second * 1e6 : 0;
}

Deployment pool_of(const Deployment& d, std::size_t p) { return {d.node, d.engine, {d.pools[p]}, {d.instances[p]}}; }

/// GPUs that are paid for over those that its instances hold, which are all that its run knows of.
double paid_for_used(const Deployment& d) {
  double used = 0;
  for (std::size_t p = 0; p < d.pools.size(); ++p) used += double(d.pools[p].gpus()) * d.instances[p];
  return d.gpus() / used;
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
    out.cost_per_million = f.cost_per_million * paid_for_used(d);
    const std::size_t last = d.pools.size() - 1;
    out.cost_per_million_input = f.cost_per_million_input * paid_for_used(pool_of(d, 0));
    out.cost_per_million_output = f.cost_per_million_output * paid_for_used(pool_of(d, last));
    out.tokens_per_gpu = f.tokens_per_gpu / paid_for_used(d);
    return out;
  }
  const double rate = rate_of(plan, entry.ttft, entry.tpot), input = rate * plan.load.input,
               output = rate * plan.load.output;
  out.used_gpus = out.gpus;
  out.cost_per_million = per_million(out.cost_per_hour, input + output);
  out.tokens_per_gpu = (input + output) / out.gpus;
  if (d.pools.size() < 2) return out;
  out.cost_per_million_input = per_million(pool_of(d, 0).cost_per_hour(), input);
  out.cost_per_million_output = per_million(pool_of(d, 1).cost_per_hour(), output);
  return out;
}
}  // namespace moesim::sizing
