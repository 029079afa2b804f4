#include "serving/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "serving/report/pool_figures.h"

namespace moesim::serving {
namespace {
void report_requests(results::Results& results, Service& service) {
  Outcome& o = service.outcome();
  if (service.fleet().has_prompts()) write_quantiles(results, "ttft", quantiles(o.ttft), "s");
  write_quantiles(results, "tpot", quantiles(o.tpot), "s");
  write_quantiles(results, "itl", o.itl.quantiles(), "s");
  write_quantiles(results, "e2e", quantiles(o.e2e), "s");
  write_quantiles(results, "queue", quantiles(o.queue), "s");
  results.metric("requests_arrived", double(o.arrived), "");
  results.metric("requests_finished", double(o.finished), "");
  results.metric("requests_rejected", double(o.rejected), "");
  results.metric("requests_running", double(service.end().running), "");
  results.metric("requests_waiting", double(service.end().waiting), "");
  const std::int64_t known = o.finished + o.rejected + service.end().running + service.end().waiting;
  results.metric("requests_unaccounted", double(o.arrived - known), "");
  results.metric("tokens_unaccounted", double(o.asked_tokens - o.output_tokens), "tokens");
  results.metric("requests_outside", double(o.outside_arrived), "");
  results.metric("requests_retried", double(o.retries), "");
  results.metric("goodput", ratio(double(o.good), service.measured()), "requests/s");
  results.metric("goodput_share", ratio(double(o.good), double(o.e2e.size())), "");
  results.metric("input_tokens", double(o.input_tokens), "tokens");
  results.metric("output_tokens", double(o.output_tokens), "tokens");
  results.metric("request_rate", ratio(double(o.finished), seconds(service.end().at)), "requests/s");
}

/// What the pool with the least time to spare spends most of its time on, or "load" if it mostly waits for requests.
void report_bottleneck(results::Results& results, const Service& service, std::size_t pool, double utilisation) {
  const auto& parts = service.pool(pool).parts;
  const std::size_t most = std::size_t(std::ranges::max_element(parts) - parts.begin());
  const double share = utilisation * ratio(parts[most], std::accumulate(parts.begin(), parts.end(), 0.0));
  const bool idle = 1 - utilisation > share;
  results.metric(
      "bottleneck", idle ? 1 - utilisation : share, "",
      fmt::format("{},limit:{}", scope_of(service.fleet().pools()[pool]), idle ? "load" : name_of(StepPart(most))));
}

void report_faults(results::Results& results, const Service& service) {
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
  const bool started = l.started, first = l.generated > 0 && deployment_.has_prompts();
  const std::string reason = end.reason.empty() ? "" : fmt::format("row {} {}", l.request.row, end.reason);
  using Value = results::Results::Value;
  results_.add(results::Table::request,
               {l.id, std::string(end.state), reason,
                l.hold.instance >= 0 ? Value(int(l.hold.instance)) : results::Results::null(), l.arrival,
                started ? Value(l.start) : results::Results::null(), first ? Value(l.first) : results::Results::null(),
                end.state == "finished" ? Value(l.last) : results::Results::null(), int(l.request.input),
                int(l.request.output), int(l.cached), int(l.preemptions)});
}

void ReportLog::step(int, const InstanceOwner::StepEnd& s) {
  if (steps_++ >= deployment_.section.record.steps) return;
  const char* phase = s.prefill == 0 ? "decode" : s.decode == 0 ? "prefill" : "mixed";
  results_.add(results::Table::step,
               {s.step, s.instance, phase, s.start, s.end, s.requests, s.prefill + s.decode, s.times->balancedness});
}

void ReportLog::reading(const Reading& s) {
  const std::string scope = scope_of(deployment_.shape.pools[std::size_t(s.pool)]);
  const auto gauge = [&](std::string_view name, double value, std::string_view unit = "") {
    results_.reading(name, s.at, value, unit, scope);
  };
  gauge("instances_on", s.instances);
  gauge("running", s.running);
  gauge("waiting", s.waiting);
  gauge("utilisation", s.utilisation);
  gauge("kv_occupancy", s.kv_share);
  gauge("kv_hit_rate", s.hit_rate);
  gauge("output_tokens_per_second", s.output_rate, "tokens/s");
  const bool last = std::size_t(s.pool) + 1 == deployment_.shape.pools.size();
  if (last && deployment_.use && deployment_.network->sampling()) deployment_.use->settle(s.at);
}

void report_service(results::Results& results, const Deployment& d, Service& service) {
  report_requests(results, service);
  double prompt = 0, cached = 0, decode = 0, input_cost = 0, output_cost = 0, joules = 0;
  double prompt_nodes = 0, decode_nodes = 0, decode_gpus = 0;
  std::size_t main = 0, fullest = 0;
  double worst = -1;
  for (std::size_t p = 0; p < service.fleet().pools().size(); ++p) {
    const PoolFigures f = pool_figures(d, service, p);
    report_pool(results, d, service, p, f);
    report_layers(results, d, service, p);
    const Role role = service.fleet().pools()[p].role;
    if (role != Role::decode) prompt += f.prompt, cached += f.cached, prompt_nodes += f.on * f.nodes;
    if (role != Role::prefill) decode_nodes += f.on * f.nodes, decode_gpus += f.on * f.gpus;
    decode += f.decode;
    input_cost += f.cost() * f.input_share;
    output_cost += f.cost() * (1 - f.input_share);
    joules += f.energy();
    if (role != Role::prefill) main = p;
    if (const double busy = ratio(f.busy, f.on); busy > worst) worst = busy, fullest = p;
  }
  const double output = double(service.outcome().output_tokens + service.end().output_tokens) * service.warm_share();
  results.metric("input_tokens_per_node_second", ratio(prompt, prompt_nodes), "tokens/s");
  results.metric("output_tokens_per_node_second", ratio(decode, decode_nodes), "tokens/s");
  results.metric("output_tokens_per_gpu_second", ratio(decode, decode_gpus), "tokens/s");
  std::vector<float> steps = service.pool(main).step_times;
  write_quantiles(results, "step_time", quantiles(steps), "s");
  results.metric("kv_hit_rate", ratio(cached, prompt), "");
  results.metric("utilisation", worst, "");
  if (output_cost > 0)
    results.metric("cost_per_million_output_tokens", ratio(output_cost, std::max(output, decode)) * 1e6, "USD");
  if (input_cost > 0) results.metric("cost_per_million_input_tokens", ratio(input_cost, prompt) * 1e6, "USD");
  results.metric("energy_per_output_token", ratio(joules, std::max(output, decode)), "J");
  const PoolTotals& t = service.pool(main);
  const double length = std::accumulate(t.parts.begin(), t.parts.end(), 0.0);
  const double balanced = ratio(t.balancedness, length);
  results.metric("balancedness", balanced, "");
  results.metric("imbalance", balanced > 0 ? 1 / balanced - 1 : 0, "");
  results.metric("fold", d.fold, "");
  results.metric("simulated_share", d.shares.empty() ? 1 : d.shares.front().prompt, "");
  report_bottleneck(results, service, fullest, worst);
  report_faults(results, service);
}
}  // namespace moesim::serving
