#include "serving/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace moesim {
namespace {
std::string scope_of(const PoolShape& pool) { return fmt::format("pool:{}", pool.name); }

void write(Results& results, std::string_view name, const Quantiles& q, std::string_view unit,
           std::string_view scope = "run") {
  for (const auto& [suffix, value] : {std::pair("mean", q.mean), std::pair("p50", q.p50), std::pair("p90", q.p90),
                                      std::pair("p95", q.p95), std::pair("p99", q.p99), std::pair("p999", q.p999)})
    results.metric(fmt::format("{}_{}", name, suffix), value, unit, scope);
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/// What one pool did from the warm-up to the end.
struct PoolFigures {
  double on = 0, busy = 0;  // s of simulated instances; on: with their part of folded ones that start up or drain
  double prefill = 0, prompt = 0, cached = 0, decode = 0, first = 0;  // tokens
  double all = 0;                                                     // s of instances, with those folded away
  double gpus = 1, nodes = 1, price = 0, power = 0;
};

PoolFigures figures(const Deployment& d, const Service& service, std::size_t p) {
  const Service::PoolTotals& t = service.pool(p);
  const BuiltPool& pool = *d.pools[p];
  PoolFigures f;
  f.on = (t.on_time - t.warm_on) / (t.all_time > 0 ? 1 - t.idle / t.all_time : 1);
  f.all = t.all_time - t.warm_all;
  f.busy = std::min(f.on, t.busy - seconds(t.warm.busy));  // a step counts where it ends
  f.prefill = double(t.sum.prefill_tokens - t.warm.prefill_tokens);
  f.prompt = double(t.sum.prompt_tokens - t.warm.prompt_tokens);
  f.cached = double(t.sum.cached_tokens - t.warm.cached_tokens);
  f.decode = double(t.sum.decode_tokens - t.warm.decode_tokens);
  f.gpus = pool.section.parallel.gpus();
  f.nodes = f.gpus / std::max(1, pool.node.gpus);
  f.price = pool.node.gpu.price.v;
  f.power = pool.node.gpu.power.v;
  return f;
}

void report_pool(Results& results, const Deployment& d, const Service& service, std::size_t p, const PoolFigures& f) {
  const Service::PoolTotals& t = service.pool(p);
  const PoolShape& shape = service.pool_shape(p);
  const std::string scope = scope_of(shape);
  std::vector<float> steps = t.step_times;
  write(results, "step_time", quantiles(steps), "s", scope);
  results.metric("steps", double(t.sum.steps), "", scope);
  results.metric("instances", d.pools[p]->described, "", scope);
  results.metric("instances_simulated", t.instances, "", scope);
  results.metric("utilisation", ratio(f.busy, f.on), "", scope);
  results.metric("batch_mean", ratio(double(t.sequences), double(t.sum.steps)), "", scope);
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
  const double cost = f.all * f.gpus * f.price / 3600;
  results.metric("cost", cost, "USD", scope);
  results.metric("gpu_hours", f.all * f.gpus / 3600, "h", scope);
  if (!d.pools[p]->section.fixed) {
    results.add(Table::memory, {scope, "weights", d.pools[p]->weights});
    results.add(Table::memory, {scope, "kv_cache", d.pools[p]->kv_gpu_token * d.pools[p]->capacity});
    results.add(Table::memory, {scope, "buffers", d.pools[p]->section.kv.buffers});
  }
}

/// Each plan with how old the loads were that it was made from, and what became of the balance.
void report_rebalancing(Results& results, const std::string& pool, const Rebalancing& rebalancing) {
  const std::vector<RebalancePlan>& plans = rebalancing.plans();
  RebalancePlan sum;
  double experts = 0, done = 0;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const RebalancePlan& p = plans[i];
    const std::string scope = fmt::format("{},plan:{}", pool, i);
    results.metric("rebalance_at", p.at, "s", scope);
    results.metric("rebalance_load_age", p.age, "s", scope);
    results.metric("rebalance_balancedness_before", p.before, "", scope);
    results.metric("rebalance_balancedness_hoped", p.hoped, "", scope);
    results.metric("rebalance_balancedness_after", p.after, "", scope);
    results.metric("rebalance_bytes", p.moved_bytes, "B", scope);
    sum.seconds += p.seconds, sum.moved_bytes += p.moved_bytes;
    experts += double(p.moved_experts);
    if (p.after == 0) continue;  // its weights were still on their way
    ++done;
    sum.age += p.age, sum.before += p.before, sum.hoped += p.hoped, sum.after += p.after;
  }
  const double n = std::max(1.0, done);
  results.metric("rebalances", double(plans.size()), "", pool);
  results.metric("rebalance_bytes", sum.moved_bytes, "B", pool);
  results.metric("rebalance_experts", experts, "", pool);
  results.metric("rebalance_time", sum.seconds, "s", pool);
  results.metric("rebalance_load_age", sum.age / n, "s", pool);
  results.metric("rebalance_balancedness_before", sum.before / n, "", pool);
  results.metric("rebalance_balancedness_hoped", sum.hoped / n, "", pool);
  results.metric("rebalance_balancedness_after", sum.after / n, "", pool);
}

/// Layer by layer, GPU by GPU and expert by expert, of the pool's first instance.
void report_layers(Results& results, const Deployment& d, const Service& service, std::size_t p, int first_gpu) {
  const BuiltPool& pool = *d.pools[p];
  if (pool.costs.empty() || pool.costs[0]->steps() == 0) return;
  LayeredCost& cost = *pool.costs[0];
  const std::string name = service.pool_shape(p).name;
  const double steps = double(cost.steps());
  constexpr std::string_view kPieces[] = {"attention_in", "attention_core", "shared", "dispatch", "experts", "combine"};
  double compute = 0, network = 0;
  for (int l = 0; l < d.model.layers; ++l) {
    const auto& pieces = cost.layer_seconds()[std::size_t(l)];
    const std::string scope = fmt::format("pool:{},layer:{}", name, l);
    for (std::size_t i = 0; i < pieces.size(); ++i)
      results.metric(fmt::format("{}_time", kPieces[i]), pieces[i] / steps, "s", scope);
    results.metric("exposed_communication_time", cost.exposed()[std::size_t(l)] / steps, "s", scope);
    if (d.model.is_moe_layer(l))
      results.metric("balancedness", cost.layer_balance()[std::size_t(l)] / steps, "", scope);
    compute += pieces[0] + pieces[1] + pieces[2];
    network += pieces[3] + pieces[5];
  }
  if (cost.bank() == nullptr) return;
  ExpertBank& bank = *cost.bank();
  const double busy = seconds(service.pool(p).sum.busy) / service.pool(p).instances;
  const double exposed = std::accumulate(cost.exposed().begin(), cost.exposed().end(), 0.0);
  const std::vector<double> expert_seconds = bank.gpu_seconds();
  for (std::size_t g = 0; g < expert_seconds.size(); ++g) {
    const double own = compute + expert_seconds[g];
    const Bytes memory = pool.weights + pool.kv_gpu_token * pool.capacity + pool.section.kv.buffers;
    results.add(Table::gpu, {first_gpu + int(g), (first_gpu + int(g)) / std::max(1, pool.node.gpus), Results::null(),
                             own, network, exposed, std::max(0.0, busy - own - exposed), Results::null(), memory});
  }
  const std::vector<double> rows = bank.expert_rows();
  const std::string phase = pool.section.role == Role::prefill ? "prefill" : "decode";
  for (std::size_t l = 0; l < bank.layers(); ++l) {
    const ExpertMap& map = bank.maps()[l];
    for (int e = 0; e < map.experts; ++e)
      results.add(Table::expert_load,
                  {bank.setup().layers[l], phase, e, rows[l * std::size_t(map.experts) + std::size_t(e)]});
    for (int s = 0; s < map.slots(); ++s)
      results.add(Table::placement, {bank.setup().layers[l], s, map.gpu_of(s), map.slot_to_expert[std::size_t(s)]});
  }
  if (cost.rebalancing() != nullptr) report_rebalancing(results, scope_of(service.pool_shape(p)), *cost.rebalancing());
}

void report_requests(Results& results, Service& service) {
  Outcome& o = service.outcome();
  write(results, "ttft", quantiles(o.ttft), "s");
  write(results, "tpot", quantiles(o.tpot), "s");
  write(results, "itl", o.itl.quantiles(), "s");
  write(results, "e2e", quantiles(o.e2e), "s");
  write(results, "queue", quantiles(o.queue), "s");
  results.metric("requests_arrived", double(o.arrived), "");
  results.metric("requests_finished", double(o.finished), "");
  results.metric("requests_rejected", double(o.rejected), "");
  results.metric("requests_running", double(service.running()), "");
  results.metric("requests_waiting", double(service.waiting()), "");
  const std::int64_t known = o.finished + o.rejected + service.running() + service.waiting();
  results.metric("requests_unaccounted", double(o.arrived - known), "");
  results.metric("tokens_unaccounted", double(o.asked_tokens - o.output_tokens), "tokens");
  results.metric("requests_outside", double(o.outside_arrived), "");
  results.metric("requests_retried", double(o.retries), "");
  results.metric("goodput", ratio(double(o.good), seconds(service.ended())), "requests/s");
  results.metric("goodput_share", ratio(double(o.good), double(o.finished)), "");
  results.metric("input_tokens", double(o.input_tokens), "tokens");
  results.metric("output_tokens", double(o.output_tokens), "tokens");
  results.metric("request_rate", ratio(double(o.finished), seconds(service.ended())), "requests/s");
}

void report_faults(Results& results, const Service& service) {
  for (std::size_t f = 0; f < service.faults().size(); ++f) {
    const FaultReport& r = service.faults()[f];
    const std::string scope = fmt::format("fault:{},{},{}", f, name_of(r.fault.kind), r.answer);
    results.metric("lost_tokens", double(r.lost_tokens), "tokens", scope);
    results.metric("retried_requests", double(r.retried), "", scope);
    results.metric("recovery_time", seconds(r.stalled), "s", scope);
    results.metric("masked_share", r.masked_share, "", scope);
  }
}
}  // namespace

void ReportLog::request(const RequestEnd& end) {
  const Live& l = end.live;
  if (end.state != "rejected" && l.id >= deployment_.section.record.requests) return;
  const bool started = l.started, first = l.generated > 0;
  const std::string reason = end.reason.empty() ? "" : fmt::format("row {} {}", l.request.row, end.reason);
  using Value = Results::Value;
  results_.add(Table::request, {l.id, std::string(end.state), reason,
                                l.hold.instance >= 0 ? Value(int(l.hold.instance)) : Results::null(), l.arrival,
                                started ? Value(l.start) : Results::null(), first ? Value(l.first) : Results::null(),
                                end.state == "finished" ? Value(l.last) : Results::null(), int(l.request.input),
                                int(l.request.output), int(l.cached), int(l.preemptions)});
}

void ReportLog::step(int, const InstanceOwner::StepEnd& s) {
  if (steps_++ >= deployment_.section.record.steps) return;
  const char* phase = s.prefill == 0 ? "decode" : s.decode == 0 ? "prefill" : "mixed";
  results_.add(Table::step,
               {s.step, s.instance, phase, s.start, s.end, s.requests, s.prefill + s.decode, s.times->balancedness});
}

void ReportLog::sample(const Sample& s) {
  const std::string scope =
      fmt::format("pool:{},time:{:.6g}", deployment_.shape.pools[std::size_t(s.pool)].name, seconds(s.at));
  results_.metric("instances_on", s.instances, "", scope);
  results_.metric("running", s.running, "", scope);
  results_.metric("waiting", s.waiting, "", scope);
  results_.metric("utilisation", s.utilisation, "", scope);
  results_.metric("kv_occupancy", s.kv_share, "", scope);
  results_.metric("kv_hit_rate", s.hit_rate, "", scope);
  results_.metric("output_tokens_per_second", s.output_rate, "tokens/s", scope);
}

void report_service(Results& results, const Deployment& d, Service& service) {
  report_requests(results, service);
  double prompt = 0, cached = 0, decode = 0, cost = 0, joules = 0, prompt_nodes = 0, decode_nodes = 0, decode_gpus = 0;
  std::size_t main = 0;
  double worst = -1;
  for (std::size_t p = 0; p < service.pools(); ++p) {
    const PoolFigures f = figures(d, service, p);
    report_pool(results, d, service, p, f);
    report_layers(results, d, service, p, service.pool_shape(p).first_gpu);
    const Role role = service.pool_shape(p).role;
    if (role != Role::decode) prompt += f.prompt, cached += f.cached, prompt_nodes += f.on * f.nodes;
    if (role != Role::prefill) decode_nodes += f.on * f.nodes, decode_gpus += f.on * f.gpus;
    decode += f.decode;
    cost += f.on * f.gpus * f.price / 3600;
    joules += f.gpus * f.power * (f.busy * d.section.energy.busy + (f.on - f.busy) * d.section.energy.idle);
    if (role != Role::prefill) main = p;
    worst = std::max(worst, ratio(f.busy, f.on));
  }
  const double output = double(service.outcome().output_tokens + service.live_output_tokens()) * service.warm_share();
  results.metric("input_tokens_per_node_second", ratio(prompt, prompt_nodes), "tokens/s");
  results.metric("output_tokens_per_node_second", ratio(decode, decode_nodes), "tokens/s");
  results.metric("output_tokens_per_gpu_second", ratio(decode, decode_gpus), "tokens/s");
  std::vector<float> steps = service.pool(main).step_times;
  write(results, "step_time", quantiles(steps), "s");
  results.metric("kv_hit_rate", ratio(cached, prompt), "");
  results.metric("utilisation", worst, "");
  results.metric("cost_per_million_output_tokens", ratio(cost, std::max(output, decode)) * 1e6, "USD");
  results.metric("cost_per_million_input_tokens", ratio(cost, prompt) * 1e6, "USD");
  results.metric("energy_per_output_token", ratio(joules, std::max(output, decode)), "J");
  const Service::PoolTotals& t = service.pool(main);
  const double length = std::accumulate(t.parts.begin(), t.parts.end(), 0.0);
  const double balanced = ratio(t.balancedness, length);
  results.metric("balancedness", balanced, "");
  results.metric("imbalance", balanced > 0 ? 1 / balanced - 1 : 0, "");
  results.metric("fold", d.fold, "");
  results.metric("simulated_share", d.shares.empty() ? 1 : d.shares.front().prompt, "");
  report_faults(results, service);
}
}  // namespace moesim
