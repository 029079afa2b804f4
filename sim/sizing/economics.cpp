#include "sizing/economics.h"

namespace moesim::sizing {
namespace {
double per_million(double usd_an_hour, double tokens_a_second) {
  return tokens_a_second > 0 ? usd_an_hour / 3600 / tokens_a_second * 1e6 : 0;
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
    out.cost_per_million = f.cost_per_million;
    out.cost_per_million_input = f.cost_per_million_input;
    out.cost_per_million_output = f.cost_per_million_output;
    out.tokens_per_gpu = f.tokens_per_gpu;
    return out;
  }
  const double rate = rate_of(plan, entry.ttft, entry.tpot), input = rate * plan.load.input,
               output = rate * plan.load.output;
  out.used_gpus = out.gpus;
  out.cost_per_million = per_million(out.cost_per_hour, input + output);
  out.tokens_per_gpu = (input + output) / out.gpus;
  if (d.pools.size() < 2) return out;
  const auto hour = [&](std::size_t p) {
    return Deployment{d.node, d.engine, {d.pools[p]}, {d.instances[p]}}.cost_per_hour();
  };
  out.cost_per_million_input = per_million(hour(0), input);
  out.cost_per_million_output = per_million(hour(1), output);
  return out;
}
}  // namespace moesim::sizing
