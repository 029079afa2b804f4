#include "serving/deployment/estimate.h"
#include "serving/deployment/span_limit.h"

#include <algorithm>
#include <filesystem>

#include "core/elementary.h"
#include "routing/request_routing.h"
#include "serving/deployment/deployment.h"
#include "serving/deployment/fold.h"
#include "serving/deployment/pool_choices.h"
#include "serving/deployment/pool_growth.h"
#include "serving/fleet/balancer.h"
#include "serving/instance/batcher.h"
#include "serving/requests/generated.h"
#include "serving/traces/workloads.h"
#include "spec/catalogue.h"

namespace moesim::serving {
namespace {
// Measured on catalogue scenarios, x86-64, release build.
constexpr double kProgram = 16e6;          // the program with model, cluster and kernels
constexpr double kLive = 260;              // a request under way: Live and its places in queues
constexpr double kFinished = 4 * 4 * 1.5;  // four latencies of 4 bytes, in vectors that grow (outcome.h)
constexpr double kStep = 4 * 1.5;          // a step's time, likewise (pool_totals.h)
constexpr double kEntry = 140;             // a draw of the bank, used or not (expert_bank.h: Entry)
constexpr double kMixes = 5;               // of prompts and decoding in a pool that does both (expert_bank.cpp: kSteps)
constexpr double kDrawnGpu = 20;           // of it on each GPU, once used: Entry::Gpu and what it moved
constexpr double kPrefixBlock = 56;        // of a prefix cache, with its place in the table (kv_cache.h: Block)
constexpr double kEventSeconds = 7e-6, kStart = 0.2;
constexpr double kFillGpu = 1e-6;       // a draw, a GPU
constexpr double kLayerSeconds = 1e-6;  // a step, a MoE layer
constexpr double kBuckets = 30;         // measured, 26 to 33: token counts, 1.25 apart, that steps of a run fall into
constexpr double kStepSpans = 8;        // measured, serve-mixtral-8x7b: the step and its parts that take time
constexpr double kTraceRow = 30;        // assumed: bytes of a recorded request, at least

double number_at(const Config& config, std::string_view key, double otherwise) {
  if (config.is_map() && config.has(key)) config.at(key).parse(otherwise);
  return otherwise;
}
double seconds_at(const Config& config, std::string_view key, double otherwise) {
  if (!config.is_map() || !config.has(key)) return otherwise;
  Time out;
  config.at(key).parse(out);
  return seconds(out);
}
double mean_at(const Config& config, std::string_view key, double otherwise) {
  if (!config.is_map() || !config.has(key)) return otherwise;
  const auto spec = read<LengthSpec>(config.at(key));
  double sum = 0;
  for (const int v : spec.values) sum += v;
  if (spec.kind == LengthKind::table) return spec.values.empty() ? otherwise : sum / double(spec.values.size());
  return std::clamp(spec.kind == LengthKind::uniform ? (double(spec.min) + spec.max) / 2 : spec.mean, double(spec.min),
                    double(spec.max));
}

/// Requests that arrive within `duration` seconds, and what else the generator does by the clock.
void count_arrivals(const Config& workload, ServingCounts& out) {
  const std::string kind = workload.is_scalar() ? workload.text() : workload.at("kind").text();
  double rate = 0;
  if (kind == "bursts") {
    const double on = seconds_at(workload, "on", 10), off = seconds_at(workload, "off", 60);
    rate = (number_at(workload, "rate_on", 0) * on + number_at(workload, "rate_off", 0) * off) / (on + off);
    out.switches += 2 * out.duration / (on + off);
  } else if (kind == "daily") {
    std::vector<double> curve{0.5, 1.0};
    if (workload.has("curve")) workload.at("curve").parse(curve);
    double sum = 0;
    for (const double v : curve) sum += v;
    rate = number_at(workload, "peak_rate", 0) * sum / double(std::max<std::size_t>(1, curve.size()));
  } else {
    rate = number_at(workload, "rate", 0);
  }
  rate *= number_at(workload, "rate_scale", 1);
  const double limit = number_at(workload, "limit", 0);
  out.arrivals = rate * out.duration;
  if (workload.is_map() && workload.has("file")) {
    DataFile file;
    workload.at("file").parse(file);
    std::error_code error;
    const auto size =
        std::filesystem::is_directory(file.path, error) ? 0 : std::filesystem::file_size(file.path, error);
    out.arrivals = error ? 0 : double(size) / kTraceRow;
  } else if (workload.is_map() && workload.has("folder")) {
    DataFile folder;
    workload.at("folder").parse(folder);
    const double from = seconds_at(workload, "from", 0);
    out.arrivals = number_at(workload, "rate_scale", 1) * profiled_arrivals(folder.path, from, from + out.duration);
  } else if (rate == 0) {
    out.arrivals = limit;
  }
  if (limit > 0) out.arrivals = std::min(out.arrivals, limit);
  if (kind == "routing_trace") {
    DataFile file;
    bool own = !workload.has("domains");
    workload.at("file").parse(file);
    if (workload.has("own_routing")) workload.at("own_routing").parse(own);
    if (own) out.recorded = routing::RequestRouting::bytes(routing::Trace(file.path));
  }
  out.input = mean_at(workload, "input", 1000);
  out.output = mean_at(workload, "output", 200);
  if (workload.is_map() && workload.has("sessions")) out.turns = number_at(workload.at("sessions"), "turns", 1);
}

PoolCounts counts_of(const Deployment& d, const BuiltPool& pool, const Config& config, const ServingCounts& whole) {
  const PoolSection& s = pool.section;
  PoolCounts out;
  out.instances = pool.simulated;
  out.ranks = s.parallel.data;
  out.requests = number_at(config.at_or_empty("batcher"), "max_requests", 256);
  out.mixes = s.role == Role::both ? kMixes : 1;
  out.decodes = s.role != Role::prefill;
  const spec::Gpu& gpu = pool.node.gpu;
  if (s.fixed)
    out.step_seconds = std::max(1e-6, seconds(s.fixed->step));
  else if (gpu.memory_bandwidth.v > 0)  // assumed: a step reads what fills a GPU's memory about once
    out.step_seconds = double(gpu.memory.v) / gpu.memory_bandwidth.v + seconds(s.overhead.value_or(Time{}));
  if (d.has_model && d.model.moe && !s.fixed) {
    out.gpus = s.parallel.experts_tensor ? 1 : double(s.parallel.tensor) * s.parallel.places();
    out.moe_layers = double(d.model.moe_layers().size());
    out.experts = d.model.moe->experts;
    out.samples = s.bank.samples.value_or(BankSettings::kSamples);
    out.ratio = std::max(s.bank.ratio, 1 + 1e-12);
  }
  if (s.kv.prefix_cache && s.role != Role::decode && whole.turns > 1) out.hash_block = 64;
  out.prefix_tokens = out.hash_block > 0 ? 1e6 : 0;
  return out;
}
}  // namespace

Estimate estimate(const ServingCounts& n) {
  Estimate out;
  const double simulated = n.arrivals * n.share * n.turns;
  double steps = 0, places = 0, rate = 0, bank = 0, drawn = 0, fills = 0, layer_steps = 0, prefixes = 0;
  for (const PoolCounts& p : n.pools) {
    const double all = p.instances * n.duration / p.step_seconds;
    steps += all;
    layer_steps += all * p.moe_layers;
    places += p.instances * p.ranks * p.requests;
    if (p.decodes) rate += p.instances * p.ranks * p.requests / (p.step_seconds * std::max(1.0, n.output));
    if (p.moe_layers > 0) {
      const double buckets = log_of(double(1 << 24)) / log_of(p.ratio) + 2;
      const double used = std::min({kBuckets * log_of(1.25) / log_of(p.ratio), buckets, all / p.samples + 1});
      bank += p.instances * p.mixes * p.moe_layers * p.samples * buckets * kEntry;
      drawn += p.instances * p.moe_layers * p.samples * used * p.gpus * kDrawnGpu;
      fills += p.instances * p.moe_layers * p.samples * used * (p.gpus * 1.0 + p.experts * 0.1);
    }
    if (p.hash_block > 0) prefixes += p.instances * p.ranks * p.prefix_tokens / p.hash_block * kPrefixBlock;
  }
  // What comes faster than every place can serve waits.
  const double waiting = std::max(0.0, simulated - rate * n.duration);
  const double live = std::min(simulated, places + waiting);
  out.events = 2 * simulated + (n.arrivals - n.arrivals * n.share) * 0.1 + 2 * steps + n.readings + n.switches;
  // A step with its parts, and of a request: queued, prompt, answer (report/timeline.cpp).
  out.spans = {std::min(double(kMostSpans), steps * kStepSpans + 3 * simulated), n.all_gpus, n.duration};
  out.events_key = n.switches + n.readings > out.events / 2 ? "serving.sample"
                   : 2 * simulated > out.events / 2         ? "serving.workload"
                                                            : "serving.duration";
  out.seconds = kStart + out.events * kEventSeconds + fills * kFillGpu + layer_steps * kLayerSeconds;
  out.hold("model", "the program and the model", kProgram);
  out.hold("serving.workload",
           rounded_count(simulated) + " requests, of which " + rounded_count(live) + " wait or run at once",
           simulated * kFinished + live * kLive);
  out.hold("serving.duration", rounded_count(steps) + " steps", steps * kStep);
  if (n.recorded > 0) out.hold("serving.workload.file", "what the requests' tokens chose", n.recorded);
  if (bank > 0) out.hold("serving.pools", "draws of the routing that steps take theirs from", bank + drawn);
  if (prefixes > 0) out.hold("serving.pools", "prefix caches", prefixes);
  return out;
}

Estimate estimate_serving(const Config& scenario, bool) {
  const Config config = scenario.at("serving");
  Deployment d;
  config.parse(d.section);
  if (scenario.has("model")) d.model = spec::read_model(scenario.at("model")), d.has_model = true;
  if (scenario.has("cluster")) d.cluster = spec::read_cluster(scenario.at("cluster"));
  const std::vector<Config> pools = config.at("pools").items();
  for (std::size_t i = 0; i < pools.size(); ++i) {
    d.pools.push_back(std::make_unique<BuiltPool>());
    BuiltPool& pool = *d.pools.back();
    pool.section = at_its_largest(d.section.pools[i]);
    check_pool(pools[i], d.section.pools[i], nullptr);  // what wraps or hangs is refused, also here
    (void)engine_of(config, pools[i]);                  // names that no run takes
    if (pools[i].has("batcher")) (void)batchers().make(pools[i].at("batcher"));
    pool.described = std::max(1, pool.section.instances);
    pool.node = pools[i].has("node") ? spec::read_node(pools[i].at("node")) : d.cluster.node;
  }
  for (const char* key : {"balancer", "decode_balancer"})
    if (config.has(key)) (void)balancers().make_or(config, key, "least_loaded");
  ServingCounts out;
  out.duration = d.section.duration.v > 0 ? seconds(d.section.duration) : kClockEnds;
  const double interval = d.section.sample.v > 0     ? seconds(d.section.sample)
                          : d.section.duration.v > 0 ? out.duration / 100
                                                     : 60;
  count_arrivals(config.at("workload"), out);
  if (d.section.duration.v == 0) {  // until the workload ends: no longer than its requests take one after the other
    const double rate = number_at(config.at("workload"), "rate", 0);
    out.duration = rate > 0 && out.arrivals > 0 ? out.arrivals / rate : std::min(kClockEnds, 1 + out.arrivals);
  }
  out.readings = out.duration / interval * double(pools.size());
  const double rebalance = seconds(d.section.rebalance.spec.interval);
  if (rebalance > 0) out.switches += out.duration / rebalance;
  fold(scenario, d);
  if (!d.shares.empty()) out.share = d.shares.front().prompt;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const BuiltPool& p = *d.pools[i];
    if (!p.section.autoscale.curve.empty())
      out.switches += out.duration / std::max(1e-12, seconds(p.section.autoscale.check));
    out.pools.push_back(counts_of(d, p, pools[i], out));
    const auto& parallel = p.section.parallel;
    out.all_gpus += out.pools.back().instances * double(parallel.tensor) * parallel.places();
  }
  return estimate(out);
}
}  // namespace moesim::serving
