#include "serving/report/pool_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "compute/kernels/provenance.h"

namespace moesim::serving {

std::string scope_of(const PoolShape& pool) { return fmt::format("pool:{}", pool.name); }

void write_quantiles(results::Results& results, std::string_view name, const Quantiles& q, std::string_view unit,
                     std::string_view scope) {
  if (q.count == 0) return;
  for (const auto& [suffix, value] : {std::pair("mean", q.mean), std::pair("p50", q.p50), std::pair("p90", q.p90),
                                      std::pair("p95", q.p95), std::pair("p99", q.p99), std::pair("p999", q.p999)})
    if (!std::isnan(value)) results.metric(fmt::format("{}_{}", name, suffix), value, unit, scope);
  results.metric(fmt::format("{}_count", name), double(q.count), "", scope);
}

void write_latency(results::Results& results, std::string_view name, Durations& durations) {
  std::vector<double> shares;
  for (int percent = 1; percent < 100; ++percent) shares.push_back(percent / 100.0);
  for (const double share : {0.995, 0.999}) shares.push_back(share);
  const std::vector<double> times = times_at(durations, shares);
  for (std::size_t i = 0; i < shares.size(); ++i)
    if (!std::isnan(times[i])) results.add(results::Table::latency, {name, shares[i], times[i]});
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

PoolFigures pool_figures(const Deployment& d, const Service& service, std::size_t p) {
  const PoolSums& t = service.pool(p).in;
  const BuiltPool& pool = *d.pools[p];
  PoolFigures f;
  f.window = service.window().length();
  f.on = t.on_time / (t.all_time > t.idle ? 1 - t.idle / t.all_time : 1);
  f.all = t.all_time;
  f.busy = std::min(f.on, seconds(t.instances.busy));  // a step counts where it ends
  f.prompt = double(t.instances.prompt_tokens);
  f.cached = double(t.instances.cached_tokens);
  f.output = double(t.instances.decode_tokens + t.instances.prompt_outputs);
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

void Economy::add(const PoolFigures& f) {
  window = f.window;
  gpu_seconds += f.gpu_seconds();
  node_seconds += f.all * f.nodes;
  cost += f.cost();
  input += f.input_tokens();
  output += f.output_tokens();
}

namespace {
/// A sum of many spans over their whole misses it by its rounding: what is always on counts as a whole number.
double whole_if_nearly(double v) { return std::fabs(v - std::round(v)) < 1e-9 * v ? std::round(v) : v; }
}  // namespace

void write_economy(results::Results& results, const Economy& e, const std::string& scope) {
  results.metric("gpus", whole_if_nearly(ratio(e.gpu_seconds, e.window)), "", scope);
  results.metric("nodes", whole_if_nearly(ratio(e.node_seconds, e.window)), "", scope);
  results.metric("cost_per_hour", ratio(e.cost, e.window) * 3600, "USD", scope);
  if (e.cost > 0 && e.input + e.output > 0)
    results.metric("cost_per_million_tokens", e.cost / (e.input + e.output) * 1e6, "USD", scope);
  results.metric("tokens_per_gpu_second", ratio(e.input + e.output, e.gpu_seconds), "tokens/s", scope);
  results.metric("input_tokens_per_gpu_second", ratio(e.input, e.gpu_seconds), "tokens/s", scope);
  results.metric("output_tokens_per_gpu_second", ratio(e.output, e.gpu_seconds), "tokens/s", scope);
}

namespace {
/// What of its time the pool's instances spent, and with how many requests.
void report_use(results::Results& results, const PoolTotals& all, const PoolFigures& f, const std::string& scope) {
  const PoolSums& t = all.in;
  results.metric("utilisation", ratio(f.busy, f.on), "", scope);
  results.metric("batch_mean", ratio(t.requests, t.length), "", scope);
  results.metric("running_mean", ratio(t.running, f.window), "", scope);
  results.metric("waiting_mean", ratio(t.waiting, f.window), "", scope);
  results.metric("kv_mean", ratio(t.kv, double(all.kv_capacity) / all.instances * t.on_time), "", scope);
  results.metric("kv_peak", all.kv_peak, "", scope);
  results.metric("kv_hit_rate", ratio(f.cached, f.prompt), "", scope);
  results.metric("preemptions", double(all.sum.preemptions), "", scope);
  const double length = std::accumulate(t.parts.begin(), t.parts.end(), 0.0);
  results.metric("balancedness", ratio(t.balancedness, length), "", scope);
  results.metric("experts_waiting_share", ratio(t.experts_waiting, length), "", scope);
  for (std::size_t i = 0; i < kStepParts; ++i)
    results.metric(fmt::format("limit_{}", name_of(StepPart(i))), ratio(t.parts[i], length) * ratio(f.busy, f.on), "",
                   scope);
  results.metric("limit_idle", 1 - ratio(f.busy, f.on), "", scope);
}
}  // namespace

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
  report_use(results, t, f, scope);
  results.metric("kv_capacity", double(d.pools[p]->capacity), "tokens", scope);
  results.metric("input_tokens_per_node_second", ratio(f.prompt, f.on * f.nodes), "tokens/s", scope);
  results.metric("output_tokens_per_node_second", ratio(f.output, f.on * f.nodes), "tokens/s", scope);
  if (t.sum.verified_tokens > 0) {
    const double drafts = shape.instance.speculation.drafts();
    results.metric("tokens_per_step", ratio(double(t.sum.decode_tokens) * (1 + drafts), double(t.sum.verified_tokens)),
                   "", scope);
  }
  Economy economy;
  economy.add(f);
  write_economy(results, economy, scope);
  results.metric("cost", f.cost(), "USD", scope);
  results.metric("cost_of_input_share", f.input_share, "", scope);
  results.metric("energy", f.energy(), "J", scope);
  results.metric("gpu_hours", f.gpu_seconds() / 3600, "h", scope);
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
