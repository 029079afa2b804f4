#include "serving/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "serving/report/assumed.h"
#include "serving/report/judgement.h"
#include "serving/report/pool_figures.h"

namespace moesim::serving {
namespace {
void report_latencies(results::Results& results, Service& service) {
  Outcome& o = service.outcome();
  if (service.fleet().has_prompts()) write_quantiles(results, "ttft", quantiles(o.ttft), "s");
  const Quantiles tpot = quantiles(o.tpot);
  write_quantiles(results, "tpot", tpot, "s");
  write_quantiles(results, "itl", o.itl.quantiles(), "s");
  write_quantiles(results, "e2e", quantiles(o.e2e), "s");
  write_quantiles(results, "queue", quantiles(o.queue), "s");
  if (service.fleet().has_prompts()) write_latency(results, "ttft", o.ttft);
  for (const auto& [name, durations] : {std::pair("tpot", &o.tpot), {"e2e", &o.e2e}, {"queue", &o.queue}})
    write_latency(results, name, *durations);
  if (tpot.p50 > 0) results.metric("tokens_per_user_second", 1 / tpot.p50, "tokens/s");
  for (std::size_t p = 0; p < service.fleet().pools().size(); ++p) {
    const PoolShape& pool = service.fleet().pools()[p];
    if (pool.role == Role::prefill) continue;
    const double own = o.pool_tpot.empty() ? tpot.p50 : quantiles(o.pool_tpot[p]).p50;
    if (own > 0) results.metric("tokens_per_user_second", 1 / own, "tokens/s", scope_of(pool));
    const Kept& kept = o.pool_kept.empty() ? o.kept : o.pool_kept[p];
    if (kept.known > 0) results.metric("slo_share", ratio(double(kept.good), double(kept.known)), "", scope_of(pool));
  }
}

void report_counts(results::Results& results, const Service& service, const Workload& workload) {
  const Outcome& o = service.outcome();
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
  results.metric("requests_measured", double(o.measured), "");
  results.metric("requests_undecided", double(o.undecided), "");
  results.metric("open_share", ratio(double(o.open), double(o.measured)), "");
  std::int64_t dropped = 0;
  for (const auto& [reason, count] : workload.dropped()) dropped += count;
  results.metric("requests_dropped", double(dropped), "");
  results.metric("input_tokens", double(o.input_tokens), "tokens");
  results.metric("output_tokens", double(o.output_tokens), "tokens");
}

/// Requests a second, and how many were under way.
void report_rates(results::Results& results, const Service& service, const Workload& workload,
                  const Steadiness& steady) {
  const Outcome& o = service.outcome();
  const Window& w = service.window();
  const double arrivals = ratio(double(w.flow.arrived), w.length()),
               share = ratio(double(o.kept.good), double(o.kept.known));
  // Where requests come as others end, or wait to be sent, their rate is the service's own.
  const bool ended = steady.saturated || w.whole || workload.closed() || w.held > 0;
  const double goodput = ended ? ratio(double(w.flow.good), w.length()) : share * arrivals;
  results.metric("window_start", seconds(w.from), "s");
  results.metric("window_end", seconds(w.until), "s");
  results.metric("steady", steady.steady, "");
  results.metric("open_growth", steady.growth, "");
  results.metric("open_growth_deviations", steady.deviations, "");
  results.metric("request_rate", arrivals, "requests/s");
  results.metric("request_throughput", ratio(double(w.flow.ended), w.length()), "requests/s");
  results.metric("goodput", goodput, "requests/s");
  results.metric("goodput_share", ratio(goodput, arrivals), "");
  if (o.kept.known > 0) results.metric("slo_share", share, "");
  results.metric("concurrency", w.open, "");
  results.metric("max_concurrent_requests", double(service.most_open()), "");
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
/// Groups that grew, each time.
void report_growth(results::Results& results, const Service& service) {
  for (std::size_t g = 0; g < service.growth().size(); ++g) {
    const GrowthReport& r = service.growth()[g];
    if (!r.done) continue;
    const std::string scope = fmt::format("{},growth:{}", scope_of(service.fleet().pools()[r.pool]), g);
    results.metric("growth_ranks", r.ranks, "", scope);
    results.metric("growth_preparation", seconds(r.prepare), "s", scope);
    results.metric("growth_pause", seconds(r.pause), "s", scope);
  }
}
/// Money, tokens and energy of the whole deployment, folded instances included.
void report_economy(results::Results& results, const std::vector<PoolFigures>& figures) {
  Economy all;
  double input_cost = 0, joules = 0;
  for (const PoolFigures& f : figures) {
    all.add(f);
    input_cost += f.cost() * f.input_share;
    joules += f.energy();
  }
  write_economy(results, all, "run");
  results.metric("input_throughput", ratio(all.input, all.window), "tokens/s");
  results.metric("output_throughput", ratio(all.output, all.window), "tokens/s");
  results.metric("total_throughput", ratio(all.input + all.output, all.window), "tokens/s");
  const double output_cost = all.cost - input_cost;
  if (output_cost > 0 && all.output > 0)
    results.metric("cost_per_million_output_tokens", output_cost / all.output * 1e6, "USD");
  if (input_cost > 0 && all.input > 0)
    results.metric("cost_per_million_input_tokens", input_cost / all.input * 1e6, "USD");
  results.metric("energy_per_output_token", ratio(joules, all.output), "J");
}

void report_whole(results::Results& results, const Deployment& d, const Service& service,
                  const std::vector<PoolFigures>& figures) {
  double prompt = 0, output = 0, prompt_nodes = 0, decode_nodes = 0, worst = -1;
  std::size_t main = 0;
  for (std::size_t p = 0; p < figures.size(); ++p) {
    const PoolFigures& f = figures[p];
    const Role role = service.fleet().pools()[p].role;
    if (role != Role::decode) prompt += f.prompt, prompt_nodes += f.on * f.nodes;
    if (role != Role::prefill) output += f.output, decode_nodes += f.on * f.nodes, main = p;
    worst = std::max(worst, ratio(f.busy, f.on));
  }
  report_economy(results, figures);
  results.metric("input_tokens_per_node_second", ratio(prompt, prompt_nodes), "tokens/s");
  results.metric("output_tokens_per_node_second", ratio(output, decode_nodes), "tokens/s");
  const std::string scope = scope_of(service.fleet().pools()[main]);
  for (const char* figure : {"mean", "p50", "p90", "p95", "p99", "p999", "count"})
    if (const std::string name = fmt::format("step_time_{}", figure); results.has_metric(name, scope))
      results.metric(name, results.metric_value(name, scope), results.metric_unit(name, scope));
  const Outcome& o = service.outcome();
  results.metric("kv_hit_rate", ratio(double(o.begun_cached), double(o.begun_input)), "");
  results.metric("utilisation", worst, "");
  const PoolSums& t = service.pool(main).in;
  const double length = std::accumulate(t.parts.begin(), t.parts.end(), 0.0);
  const double balanced = ratio(t.balancedness, length);
  results.metric("balancedness", balanced, "");
  results.metric("imbalance", balanced > 0 ? 1 / balanced - 1 : 0, "");
  results.metric("fold", d.fold, "");
  results.metric("simulated_share", d.shares.empty() ? 1 : d.shares.front().prompt, "");
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
  report_latencies(results, service);
  report_counts(results, service, *d.workload);
  const Steadiness steady = steadiness(service.window());
  report_rates(results, service, *d.workload, steady);
  std::vector<PoolFigures> figures;
  for (std::size_t p = 0; p < service.fleet().pools().size(); ++p) {
    figures.push_back(pool_figures(d, service, p));
    report_pool(results, d, service, p, figures.back());
    report_layers(results, d, service, p);
  }
  report_whole(results, d, service, figures);
  report_faults(results, service);
  report_growth(results, service);
  write_warnings(results, d, service, steady, figures);
  write_borrowed(results, d);
}
}  // namespace moesim::serving
