#include "serving/deployment/deployment.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ceil_div.h"
#include "serving/deployment/build_pool.h"
#include "serving/deployment/fold.h"
#include "serving/deployment/layout.h"
#include "serving/deployment/pool_choices.h"
#include "serving/deployment/pool_growth.h"
#include "serving/traces/workloads.h"
#include "spec/catalogue.h"

namespace moesim::serving {
namespace {
void check_gpus(const Config& pools, const Deployment& d) {
  std::int64_t all = 0;
  for (const auto& p : d.pools) {
    const int each = whole_nodes(p->section.parallel.gpus(), d.cluster.node.gpus);
    all = next_place(all, each, d.cluster.node.gpus) + std::int64_t{p->described} * each;
  }
  if (all > d.cluster.gpus())
    pools.fail(fmt::format("the pools take {} GPUs, but the cluster has {}", all, d.cluster.gpus()));
}

void read_section(const results::StudyRun& run, const Config& config, ServingSection& section) {
  config.parse(section);
  SpeculationSpec& drafts = section.speculation;
  if (drafts.kind == DraftKind::mtp && drafts.acceptance.empty())
    if (const std::string file = routing::trace_file(run.scenario.at_or_empty("routing")); !file.empty())
      drafts.acceptance = measured_acceptance(routing::Trace(file).header());
  config.at_or_empty("speculation").placed([&] { check_speculation(drafts); });
}

void take_model(const results::StudyRun& run, const Config& config, Deployment& d) {
  d.has_model = run.scenario.has("model");
  if (!d.has_model) return;
  d.model = spec::read_model(run.scenario.at("model"));
  if (!d.model.can_run())
    run.scenario.at("model").fail(fmt::format("{} cannot be simulated: {}", d.model.name, d.model.obstacle()));
  if (d.section.speculation.kind == DraftKind::mtp && d.model.mtp_layers == 0)
    config.fail_below("speculation.kind", fmt::format("{} has no multi-token prediction layer", d.model.name));
  if (d.section.speculation.kind == DraftKind::eagle)
    config.at("speculation").placed([&] { eagle_model(d.model, d.section.speculation.eagle); });
}

void make_workload(const results::StudyRun& run, const Config& config, Deployment& d) {
  WorkloadContext context{.seed = run.seed, .shares = d.shares};
  if (d.section.duration.v > 0) context.duration = d.section.duration;
  d.workload = workloads().make(config.at("workload"), context);
  const std::size_t described = std::max<std::size_t>(1, d.section.domains.size());
  if (std::size_t(d.workload->domains()) > described)
    config.fail_below("workload.domains", fmt::format("requests name {} domains, but serving.domains describes {}",
                                                      d.workload->domains(), described));
}

void take_cluster(const results::StudyRun& run, const Config& config, Engine& engine, Deployment& d) {
  if (!run.scenario.has("cluster")) return;
  d.cluster = spec::read_cluster(run.scenario.at("cluster"));
  d.network = network::make_network(run.scenario, engine, d.cluster);
  d.calibration = d.network->calibration();
  d.use = std::make_unique<NetworkUse>(d, *d.network);
  check_gpus(config.at("pools"), d);
}

/// The pool's nodes: the cluster's, or some of its own.
void find_nodes(const results::StudyRun& run, const Config& config, const Deployment& d, BuiltPool& pool) {
  if (!pool.section.fixed && !d.network) run.scenario.fail("missing key \"cluster\": steps are computed on its GPUs");
  pool.node = d.cluster.node;
  if (!config.has("node")) return;
  pool.node = spec::read_node(config.at("node"));
  spec::Cluster own = d.cluster;
  own.node = pool.node;
  own.nodes = std::max(1, ceil_div(pool.section.parallel.gpus(), own.node.gpus));
  pool.topology = std::make_unique<network::Topology>(own);
}

/// Where all instances lie, those that simulated ones stand for too.
Places spread_over_nodes(const Config& section, const Deployment& d) {
  std::vector<Taken> taken;
  for (const auto& p : d.pools) {
    if (!d.network || p->topology) section.fail_below("layout", "spread is for pools on the cluster's nodes");
    taken.push_back({whole_nodes(p->section.parallel.gpus(), d.cluster.node.gpus), p->described});
  }
  const std::optional<Places> places = spread_places(taken, d.cluster.node.gpus, d.cluster.nodes);
  if (!places) section.fail_below("layout", fmt::format("spread: {} nodes do not hold them so", d.cluster.nodes));
  return *places;
}

/// One pool after the other, each from where the one before ends, or spread over the nodes.
void build_pools(results::StudyRun& run, const Config& section, const std::vector<Config>& pools, Deployment& d) {
  int gpus = 0;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    BuiltPool& pool = *d.pools[i];
    PoolShape shape;
    pools[i].placed([&] {
      find_nodes(run, pools[i], d, pool);
      ChosenEngine chosen = engine_of(section, pools[i]);
      pool.engine = std::move(chosen.engine);
      pool.engine_named = chosen.named;
      build_pool(run, pools[i], d, pool, shape);
    });
    shape.instances = pool.simulated;
    shape.described = pool.described;
    shape.gpus = whole_nodes(shape.gpus, pool.node.gpus);
    shape.first_gpu = int(next_place(gpus, shape.gpus, pool.node.gpus));
    gpus = shape.first_gpu + pool.simulated * shape.gpus;
    d.shape.pools.push_back(std::move(shape));
  }
  if (d.section.layout != LayoutKind::spread) return;
  const Places places = spread_over_nodes(section, d);
  for (std::size_t p = 0; p < places.size(); ++p) d.shape.pools[p].places = places[p];
}

/// What has no effect on these pools is refused where it stands.
void check_effects(const Config& config, const ServingSection& s) {
  const auto any = [&](auto holds) { return std::ranges::any_of(s.pools, holds); };
  const bool decoders = any([](const PoolSection& p) { return p.role == Role::decode; });
  const bool decode = any([](const PoolSection& p) { return p.role != Role::prefill; });
  const auto idle = [&](std::string_view key, std::string_view why) {
    config.fail_below(key, fmt::format("has no effect: {}", why));
  };
  if (config.has("decode_balancer") && !decoders) idle("decode_balancer", "no pool only decodes");
  if (const Config rebalance = config.at_or_empty("rebalance"); s.rebalance.spec.interval.v == 0 && rebalance.is_map())
    for (const std::string& key : rebalance.keys())
      if (key != "interval") idle("rebalance." + key, "rebalance.interval is not given");
  if (any([](const PoolSection& p) { return !p.grow.empty(); })) {
    if (!s.faults.empty()) config.fail_below("faults", "have no answer where a pool's group grows (pools.grow)");
    if (s.rebalance.spec.interval.v > 0)
      config.fail_below("rebalance.interval", "has no plans where a pool's group grows (pools.grow)");
  }
  if (s.speculation.kind != DraftKind::none && !decode) idle("speculation.kind", "no pool decodes");
  if (s.slo.tpot.v > 0 && !decode) idle("slo.tpot", "no pool decodes");
  if (!s.layerwise_transfer && !decoders) idle("layerwise_transfer", "no KV cache moves to a pool that only decodes");
}

/// What requests go through before and after the pools: that of the first pool that computes prompts.
forward::FrontEnd front_end_of(results::StudyRun& run, const Config& config, const Deployment& d) {
  const auto prompts = std::ranges::find_if(d.pools, [](const auto& p) { return p->section.role != Role::decode; });
  const std::optional<forward::FrontEnd>& asked = d.section.front_end;
  if (prompts == d.pools.end()) {
    if (asked) config.fail_below("front_end", "has no effect: no pool computes prompts");
    return {};
  }
  const PoolSection& pool = (*prompts)->section;
  forward::FrontEnd out =
      asked.value_or(pool.fixed || pool.overhead ? forward::FrontEnd{} : (*prompts)->engine.front_end);
  const bool none = out.before(1).v == 0 && out.output.v == 0;
  if (none && !asked) return out;
  run.results.add(results::Table::assumption,
                  {"run", "host time of a request",
                   none ? "none"
                        : fmt::format("{} and {} a prompt token before, {} after a step", to_text(out.request),
                                      to_text(out.input_token), to_text(out.output)),
                   asked ? "as asked" : "the engine's"});
  return out;
}

void fill_service(const Config& config, const Deployment& d, ServiceShape& s) {
  s.context = d.section.context > 0 ? d.section.context : d.has_model ? d.model.max_positions : 0;
  if (d.section.duration.v > 0) s.duration = d.section.duration;
  s.drain = d.section.drain;
  if (!s.drain && d.section.duration.v == 0) config.fail_below("drain", "false needs a duration");
  check_effects(config, d.section);
  s.warmup = d.section.warmup;
  if (d.section.duration.v > 0 && s.warmup >= d.section.duration)
    config.fail_below("warmup", fmt::format("must end before the duration of {}, got {}: no request would count",
                                            to_text(d.section.duration), to_text(s.warmup)));
  const EnergySection& energy = d.section.energy;
  for (const auto& [key, share] : {std::pair("energy.busy", energy.busy), std::pair("energy.idle", energy.idle)})
    if (!(share >= 0 && share <= 1))
      config.fail_below(key, fmt::format("expected a share of the board limit from 0 to 1, got {}", share));
  s.slo = d.section.slo;
  if (s.slo.ttft.v > 0 && !d.has_prompts())
    config.fail_below("slo.ttft", "no pool computes prompts, so the time to their first token is not known");
  s.faults = d.section.faults;
  s.gpus_per_node = d.network ? d.cluster.node.gpus : 8;
  s.layers = d.has_model ? d.model.layers : 1;
  s.sample = d.section.sample.v > 0 ? d.section.sample : d.section.duration.v > 0 ? d.section.duration / 100 : 60_s;
  s.rebalance = d.section.rebalance.spec.interval;
}
}  // namespace

std::unique_ptr<Deployment> build_deployment(results::StudyRun& run, Engine& engine, const SharedDraws& shared) {
  auto out = std::make_unique<Deployment>();
  Deployment& d = *out;
  d.shared = shared;
  const Config config = run.scenario.at("serving");
  read_section(run, config, d.section);
  const std::vector<Config> pools = config.at("pools").items();
  if (pools.empty()) config.at("pools").fail("expected at least one pool");
  take_model(run, config, d);
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const PoolSection& p = d.section.pools[i];
    check_pool(pools[i], p, d.has_model && !p.fixed ? &d.model : nullptr);
    d.pools.push_back(std::make_unique<BuiltPool>());
    d.pools.back()->section = at_its_largest(p);
    d.pools.back()->described = p.instances;
  }
  fold(run.scenario, d);
  make_workload(run, config, d);
  take_cluster(run, config, engine, d);
  build_pools(run, config, pools, d);
  fill_service(config, d, d.shape);
  d.shape.front_end = front_end_of(run, config, d);
  return out;
}
}  // namespace moesim::serving
