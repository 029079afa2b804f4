#include "serving/build_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "forward/precision.h"
#include "placement/section.h"
#include "serving/pool_memory.h"

namespace moesim {
namespace {
void check_parallel(const Config& config, const PoolSection& s, const Model& model) {
  const Parallel& p = s.parallel;
  const Config at = config.at_or_empty("parallel");
  if (p.tensor < 1 || p.data < 1 || p.pipeline < 1) at.fail("tensor, data and pipeline must be at least 1");
  if (p.pipeline > model.layers)
    at.fail(fmt::format("pipeline: at most the {} layers of {}, got {}", model.layers, model.name, p.pipeline));
  if (p.experts_tensor && p.data > 1)
    at.fail("experts_tensor: needs data 1, since every rank's tokens visit all experts");
  if (model.moe && !p.experts_tensor && p.data * p.tensor > 1 && model.moe->experts < 1)
    at.fail("the model has no experts to spread");
}

std::optional<StepPhase> phase_of(Role role) {
  if (role == Role::both) return std::nullopt;
  return role == Role::decode ? StepPhase::decode : StepPhase::prefill;
}

std::optional<ExchangeKernel> exchange_of(const Config& config, const PoolSection& s) {
  if (s.exchange == "auto") return std::nullopt;
  ExchangeKernel out{};
  config.at("exchange").parse(out);
  return out;
}

/// Experts, their places and the routing of one pool.
ExpertBank::Setup experts_of(StudyRun& run, const Config& config, Deployment& d, BuiltPool& pool,
                             const StepSetup& setup) {
  const PoolSection& s = pool.section;
  const int gpus = s.parallel.experts_tensor ? 1 : s.parallel.stage_gpus();
  const GroupShape shape{gpus, std::min(gpus, pool.node.gpus)};
  const MoeShape& moe = *d.model.moe;
  const RouterShape router{moe.experts, moe.top_k, moe.groups, moe.groups_used};
  const std::size_t domains = std::max<std::size_t>(1, d.section.domains.size());
  for (std::size_t i = 0; i < domains; ++i)
    for (const TracePhase phase : {TracePhase::prefill, TracePhase::decode}) {
      const Config routing = d.section.domains.empty() ? run.scenario.at_or_empty("routing") : d.section.domains[i];
      pool.sources.push_back(make_traffic(routing, {router, shape, run.seed, phase}));
    }
  const Config& placed = config.has("placement") ? config : run.scenario;
  const std::size_t main = s.role == Role::prefill ? 0 : 1;
  pool.maps = read_placement(placed, d.model, shape, [&](int layer, std::span<double> loads) {
                pool.sources[main]->shares(layer, 0, loads);
              }).maps;
  pool.slots_per_gpu = pool.maps.front().slots_per_gpu;
  ExpertBank::Setup out;
  out.model = &d.model;
  out.kernels = pool.kernels.get();
  out.options = setup.options;
  out.any_layout = setup.any_layout;
  out.gpus = gpus;
  out.gpus_per_node = pool.node.gpus;
  out.calibration = d.calibration;
  out.dispatch = setup.dispatch;
  out.combine = setup.combine;
  out.layers = d.model.moe_layers();
  out.maps = pool.maps;
  for (const auto& source : pool.sources) out.sources.push_back(source.get());
  out.settings = s.bank;
  out.seed = run.seed;
  if (gpus > 1) {
    const Topology& topology = pool.topology ? *pool.topology : d.network->topology();
    pool.group = std::make_unique<ExchangeGroup>(topology, GpuId{0}, gpus);
    out.group = pool.group.get();
  }
  out.share = setup.beside;
  return out;
}
}  // namespace

StepSetup setup_of(const Config& config, const PoolSection& s, const Model& model, const Gpu& gpu) {
  const Parallel& p = s.parallel;
  const std::optional<StepPhase> phase = phase_of(s.role);
  const ChosenPrecision precision = choose_precision(s.precision, model, gpu, phase, Unsaid::as_released);
  check_precision(config, precision.formats, gpu);
  const bool exchanges = model.moe && !p.experts_tensor && p.stage_gpus() > 1;
  return set_up({.model = model,
                 .gpu = gpu,
                 .phase = phase,
                 .precision = precision,
                 .tensor = p.tensor,
                 .expert_tensor = p.experts_tensor ? p.tensor : 1,
                 .whole_tokens = p.experts_tensor,
                 .graphs = s.graphs,
                 .exchange = exchange_of(config, s),
                 .exchange_sms = s.exchange_sms,
                 .overlapped = exchanges && s.overlap != OverlapKind::none});
}

void build_pool(StudyRun& run, const Config& config, Deployment& d, BuiltPool& pool, PoolShape& shape) {
  PoolSection& s = pool.section;
  if (s.name.empty()) s.name = std::string(name_of(s.role));
  if (s.instances < 1) config.at("instances").fail("must be at least 1");
  shape.name = s.name;
  shape.role = s.role;
  shape.start_up = s.start_up;
  shape.layerwise_transfer = d.section.layerwise_transfer;
  shape.tensor = s.parallel.tensor;
  shape.gpus = s.parallel.gpus();
  shape.autoscale = s.autoscale;
  if (s.autoscale.period.v <= 0) config.at("autoscale").fail("period: must be above 0 s");
  if (s.autoscale.check.v <= 0) config.at("autoscale").fail("check: must be above 0 s");
  for (double v : shape.autoscale.curve)
    if (!(v >= 0 && v <= 1)) config.at("autoscale").fail(fmt::format("curve: shares lie between 0 and 1, got {}", v));
  pool.batcher =
      config.has("batcher") ? batchers().make(config.at("batcher")) : batchers().make_or(config, "batcher", "chunked");
  shape.batcher = pool.batcher.get();
  InstanceShape& in = shape.instance;
  in.ranks = s.parallel.data;
  in.stages = s.parallel.pipeline;
  in.preemption = s.kv.preemption;
  in.watermark = s.kv.watermark;
  in.domains = int(std::max<std::size_t>(1, d.section.domains.size()));
  if (s.role != Role::prefill) in.speculation = d.section.speculation;
  in.kv.block = s.kv.block;
  if (s.kv.block < 1) config.at("kv").fail("block: must be at least 1");
  // Decode pools get their KV caches over the network: a prefix cache would never be asked.
  const int hashes = s.kv.prefix_cache && s.role != Role::decode ? d.workload->hash_block() : 0;
  if (hashes > 0) {
    in.kv.hash_block = hashes;
    in.kv.block = std::gcd(hashes, s.kv.block);
  }
  if (s.fixed) {
    if (s.kv.capacity < 1) config.fail("kv.capacity: is needed where steps have a fixed cost");
    if (s.parallel.pipeline > 1) config.fail("parallel.pipeline: a fixed step has one stage");
    in.kv.capacity = pool.capacity = s.kv.capacity / in.kv.block * in.kv.block;
    shape.cost = [fixed = *s.fixed](int) { return std::make_unique<FixedCost>(fixed); };
    return;
  }
  if (!d.has_model)
    run.scenario.fail("missing key \"model\": steps are computed layer by layer unless a pool is fixed");
  check_parallel(config, s, d.model);
  const StepSetup setup = setup_of(config, s, d.model, pool.node.gpu);
  write_assumptions(run.results, "pool:" + s.name, setup);
  pool.kernel_model = make_kernel_model(run.scenario, pool.node.gpu);
  pool.kernels = std::make_unique<KernelCosts>(*pool.kernel_model);
  LayeredCost::Setup cost;
  cost.model = &d.model;
  cost.kernels = pool.kernels.get();
  cost.topology = pool.topology ? pool.topology.get() : &d.network->topology();
  cost.calibration = d.calibration;
  cost.parallel = s.parallel;
  cost.options = setup.options;
  cost.overlap = s.overlap;
  cost.overhead = s.overhead;
  if (s.role != Role::prefill) cost.speculation = d.section.speculation;
  if (d.model.moe) {
    cost.experts = experts_of(run, config, d, pool, setup);
    cost.share = cost.experts->share;
    cost.rebalance = d.section.rebalance.spec;
    if (d.section.rebalance.spec.interval.v > 0) {
      cost.policy = [policy = d.section.rebalance.policy] {
        return placements().make(Config::from_text(policy, "serving.rebalance.policy"));
      };
      cost.policy();  // a wrong name is found now
      cost.problem.gpus = cost.experts->gpus;
      cost.problem.nodes = std::max(1, cost.experts->gpus / pool.node.gpus);
      cost.problem.slots = pool.maps.front().slots();
      cost.problem.groups = d.model.moe->groups;
    }
  }
  fit_memory(config, d, pool, cost.options);
  in.kv.capacity = pool.capacity / in.kv.block * in.kv.block;
  in.window = window_of(d.model);
  in.kv.window = in.window.keys;
  in.kv.beyond = pool.beyond_window;
  Bytes rank_token{};
  for (int stage = 0; stage < s.parallel.pipeline; ++stage)
    rank_token +=
        kv_bytes_per_token(d.model, held(d.model, s.parallel, stage, 0, false), cost.options) * s.parallel.tensor;
  in.kv_token = rank_token;
  in.host = {pool.node.host_bandwidth.v * s.parallel.tensor};
  in.disk = {s.kv.disk_bandwidth.v * s.parallel.tensor};
  const std::int64_t per_gpu = std::max<std::int64_t>(1, rank_token.v / s.parallel.tensor);
  in.kv.host = s.kv.host.v / per_gpu;
  in.kv.disk = s.kv.disk.v / per_gpu;
  shape.cost = [cost, &pool](int) {
    auto out = std::make_unique<LayeredCost>(cost);
    pool.costs.push_back(out.get());
    return out;
  };
}
}  // namespace moesim
