#include "serving/report/pool_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "compute/kernels/provenance.h"

namespace moesim::serving {

std::string scope_of(const PoolShape& pool) { return fmt::format("pool:{}", pool.name); }

void write_quantiles(results::Results& results, std::string_view name, const Quantiles& q, std::string_view unit,
                     std::string_view scope) {
  if (q.count == 0) return;
  for (const auto& [suffix, value] : {std::pair("mean", q.mean), std::pair("p50", q.p50), std::pair("p90", q.p90),
                                      std::pair("p95", q.p95), std::pair("p99", q.p99), std::pair("p999", q.p999)})
    results.metric(fmt::format("{}_{}", name, suffix), value, unit, scope);
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

PoolFigures pool_figures(const Deployment& d, const Service& service, std::size_t p) {
  const PoolTotals& t = service.pool(p);
  const BuiltPool& pool = *d.pools[p];
  PoolFigures f;
  f.on = (t.on_time - t.warm_on) / (t.all_time > 0 ? 1 - t.idle / t.all_time : 1);
  f.all = t.all_time - t.warm_all;
  f.busy = std::min(f.on, t.busy - seconds(t.warm.busy));  // a step counts where it ends
  f.prompt = double(t.sum.prompt_tokens - t.warm.prompt_tokens);
  f.cached = double(t.sum.cached_tokens - t.warm.cached_tokens);
  f.decode = double(t.sum.decode_tokens - t.warm.decode_tokens);
  f.gpus = pool.section.parallel.gpus();
  f.nodes = f.gpus / std::max(1, pool.node.gpus);
  f.price = pool.node.gpu.price.v;
  const EnergySection& draw = d.section.energy;
  const double length = std::accumulate(t.parts.begin(), t.parts.end(), 0.0);
  const double busy = draw.busy > 0 ? draw.busy : ratio(t.drawn, length),
               idle = draw.idle > 0 ? draw.idle : pool.node.gpu.draw.idle;
  f.power = pool.node.gpu.power.v * (idle + (busy - idle) * ratio(f.busy, f.on));
  f.input_share = ratio(t.prompt_time, t.prompt_time + t.decode_time);
  return f;
}

void report_pool(results::Results& results, const Deployment& d, const Service& service, std::size_t p,
                 const PoolFigures& f) {
  const PoolTotals& t = service.pool(p);
  const PoolShape& shape = service.fleet().pools()[p];
  const std::string scope = scope_of(shape);
  std::vector<float> steps = t.step_times;
  write_quantiles(results, "step_time", quantiles(steps), "s", scope);
  results.metric("steps", double(t.sum.steps), "", scope);
  results.metric("instances", d.pools[p]->described, "", scope);
  results.metric("instances_simulated", t.instances, "", scope);
  results.metric("utilisation", ratio(f.busy, f.on), "", scope);
  results.metric("batch_mean", ratio(double(t.sequences), double(t.sum.steps - t.warm.steps)), "", scope);
  results.metric("kv_capacity", double(d.pools[p]->capacity), "tokens", scope);
  results.metric("kv_peak", t.kv_peak, "", scope);
  results.metric("kv_hit_rate", ratio(f.cached, f.prompt), "", scope);
  results.metric("preemptions", double(t.sum.preemptions), "", scope);
  results.metric("input_tokens_per_node_second", ratio(f.prompt, f.on * f.nodes), "tokens/s", scope);
  results.metric("output_tokens_per_node_second", ratio(f.decode, f.on * f.nodes), "tokens/s", scope);
  const double length = std::accumulate(t.parts.begin(), t.parts.end(), 0.0);
  results.metric("balancedness", ratio(t.balancedness, length), "", scope);
  results.metric("experts_waiting_share", ratio(t.waiting, length), "", scope);
  for (std::size_t i = 0; i < kStepParts; ++i)
    results.metric(fmt::format("limit_{}", name_of(StepPart(i))), ratio(t.parts[i], length) * ratio(f.busy, f.on), "",
                   scope);
  results.metric("limit_idle", 1 - ratio(f.busy, f.on), "", scope);
  if (t.sum.verified_tokens > 0) {
    const double drafts = shape.instance.speculation.drafts();
    results.metric("tokens_per_step", ratio(double(t.sum.decode_tokens) * (1 + drafts), double(t.sum.verified_tokens)),
                   "", scope);
  }
  const double fold = ratio(f.all, f.on);
  results.metric("cost", f.cost() * fold, "USD", scope);
  results.metric("cost_of_input_share", f.input_share, "", scope);
  results.metric("energy", f.energy() * fold, "J", scope);
  results.metric("gpu_hours", f.all * f.gpus / 3600, "h", scope);
  if (!d.pools[p]->section.fixed) {
    compute::write_provenance(results, d.pools[p]->kernels->summary(), scope);
    results.add(results::Table::memory, {scope, "weights", d.pools[p]->weights});
    results.add(results::Table::memory, {scope, "kv_cache", d.pools[p]->kv_gpu_token * d.pools[p]->capacity});
    results.add(results::Table::memory, {scope, "buffers", d.pools[p]->cache.buffers});
    for (const compute::MemoryItem& item : d.pools[p]->buffers)
      results.add(results::Table::memory, {scope, "buffers: " + item.name, item.bytes});
  }
}
}  // namespace moesim::serving
