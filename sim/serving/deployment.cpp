#include "serving/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "compute/memory.h"
#include "placement/section.h"
#include "spec/catalogue.h"

namespace moesim {
namespace {
/// Sends KV caches over the deployment's network.
class NetworkMover final : public KvMover {
 public:
  explicit NetworkMover(Network& network) : network_(network) {}
  void move(int from, int to, Bytes bytes, Action done) override {
    network_.send(GpuId(std::uint32_t(from)), GpuId(std::uint32_t(to)), bytes, done);
  }

 private:
  Network& network_;
};

template <class T>
bool given(const Config& config, std::string_view key, T& out) {
  if (!config.has(key)) return false;
  config.at(key).parse(out);
  return true;
}

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

/// What one GPU of a stage holds.
HeldLayers held(const Model& model, const Parallel& p, int stage, int slots, bool drafts) {
  HeldLayers out;
  for (int l = model.layers * stage / p.pipeline; l < model.layers * (stage + 1) / p.pipeline; ++l)
    out.layers.push_back(l);
  out.embedding = stage == 0;
  out.head = stage + 1 == p.pipeline;
  out.experts = slots;
  if (out.head && drafts && model.mtp_layers > 0) {
    out.layers.push_back(model.layers);
    out.mtp = true;
  }
  return out;
}

/// Four-bit weights stay so in memory where kernels widen them as they read.
Dtype stored(const Model& model, Dtype linear) { return model.weights == Dtype::fp4 ? Dtype::fp4 : linear; }

/// Weights and KV cache on the fullest GPU of an instance.
void fit_memory(const Config& config, const Deployment& d, BuiltPool& pool, const LayerOptions& options) {
  const PoolSection& s = pool.section;
  const Gpu& gpu = pool.node.gpu;
  std::int64_t least = INT64_MAX;
  for (int stage = 0; stage < s.parallel.pipeline; ++stage) {
    const bool drafts = d.section.speculation.kind == DraftKind::mtp && s.role != Role::prefill;
    const HeldLayers h = held(d.model, s.parallel, stage, pool.slots_per_gpu, drafts);
    const Bytes weights = held_weights(d.model, h, stored(d.model, options.precision.linear), options);
    const Bytes token = kv_bytes_per_token(d.model, h, options);
    const double room = double(gpu.memory.v) * s.kv.memory_share - double(weights.v) - double(s.kv.buffers.v);
    if (room <= 0)
      config.fail(
          fmt::format("the weights of {} take {:.1f} GB and the buffers {:.1f} GB of each GPU, but {:.0f} % of {} "
                      "are {:.1f} GB; use more GPUs or a smaller precision",
                      d.model.name, double(weights.v) * 1e-9, double(s.kv.buffers.v) * 1e-9, s.kv.memory_share * 100,
                      gpu.name, double(gpu.memory.v) * s.kv.memory_share * 1e-9));
    const std::int64_t tokens = token.v > 0 ? std::int64_t(room / double(token.v)) : INT64_MAX;
    if (tokens < least) {
      least = tokens;
      pool.weights = weights;
      pool.kv_gpu_token = token;
    }
  }
  pool.capacity = s.kv.capacity > 0 ? s.kv.capacity : least / s.kv.block * s.kv.block;
  if (pool.capacity < s.kv.block) config.fail("the KV cache does not hold a single block");
}

LayerOptions options_of(const PoolSection& s) {
  LayerOptions out;
  out.precision = s.precision;
  out.tensor = s.parallel.tensor;
  out.expert_tensor = s.parallel.experts_tensor ? s.parallel.tensor : 1;
  out.sequence_parallel = s.parallel.tensor > 1 && !s.parallel.experts_tensor;
  out.graphs = s.graphs;
  out.layout = s.role == Role::decode ? GroupLayout::masked : GroupLayout::contiguous;
  return out;
}

ExchangeKernel exchange_of(const Config& config, const PoolSection& s) {
  if (s.exchange == "auto") return s.role == Role::decode ? ExchangeKernel::low_latency : ExchangeKernel::normal;
  ExchangeKernel out{};
  config.at("exchange").parse(out);
  return out;
}

/// Experts, their places and the routing of one pool.
ExpertBank::Setup experts_of(StudyRun& run, const Config& config, Deployment& d, BuiltPool& pool) {
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
  out.options = options_of(s);
  out.gpus = gpus;
  out.gpus_per_node = pool.node.gpus;
  out.calibration = d.calibration;
  const Bytes row = s.precision.linear == Dtype::fp8 ? fp8_row(d.model.hidden) : bf16_row(d.model.hidden);
  const ExchangeKernel kernel = exchange_of(config, s);
  out.dispatch = {kernel, ExchangeDirection::dispatch, row, s.exchange_sms, true};
  out.combine = {kernel, ExchangeDirection::combine, bf16_row(d.model.hidden), s.exchange_sms, true};
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
  // Exchanges that copy with SMs leave the others to what runs beside them.
  const bool shares = s.overlap != OverlapKind::none && kernel == ExchangeKernel::normal && gpus > 1;
  if (shares) out.share.sms = pool.node.gpu.sms - s.exchange_sms;
  return out;
}

/// Everything but where the pool's GPUs lie.
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
  shape.curve = s.autoscale.curve;
  shape.period = s.autoscale.period;
  shape.curve_start = s.autoscale.start;
  shape.check_every = s.autoscale.check;
  for (double v : shape.curve)
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
  const int hashes = s.kv.prefix_cache ? d.workload->hash_block() : 0;
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
  const Config precision = config.at_or_empty("precision");
  if (!precision.has("linear")) {
    const bool has_fp8 = pool.node.gpu.fp8.v > 0, has_fp4 = pool.node.gpu.fp4.v > 0;
    if (d.model.weights == Dtype::fp8 && has_fp8) s.precision.linear = Dtype::fp8;
    if (d.model.weights == Dtype::fp4) s.precision.linear = has_fp4 ? Dtype::fp4 : Dtype::bf16;
  }
  pool.kernels = make_kernel_model(run.scenario, pool.node.gpu);
  LayeredCost::Setup cost;
  cost.model = &d.model;
  cost.kernels = pool.kernels.get();
  cost.topology = pool.topology ? pool.topology.get() : &d.network->topology();
  cost.calibration = d.calibration;
  cost.parallel = s.parallel;
  cost.options = options_of(s);
  cost.overlap = s.overlap;
  cost.overhead = s.overhead;
  if (s.role != Role::prefill) cost.speculation = d.section.speculation;
  if (d.model.moe) {
    cost.experts = experts_of(run, config, d, pool);
    cost.share = cost.experts->share;
    cost.rebalance = d.section.rebalance.spec;
    if (d.section.rebalance.spec.interval.v > 0) {
      pool.policy = placements().make(Config::from_text(d.section.rebalance.policy, "serving.rebalance.policy"));
      cost.policy = pool.policy.get();
      cost.problem.gpus = cost.experts->gpus;
      cost.problem.nodes = std::max(1, cost.experts->gpus / pool.node.gpus);
      cost.problem.slots = pool.maps.front().slots();
      cost.problem.groups = d.model.moe->groups;
    }
  }
  fit_memory(config, d, pool, cost.options);
  in.kv.capacity = pool.capacity / in.kv.block * in.kv.block;
  in.window = d.model.attention.sliding_window;
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

/// An instance of a node or more takes whole nodes.
int whole_nodes(int gpus, int per_node) {
  return per_node > 0 && gpus >= per_node ? (gpus + per_node - 1) / per_node * per_node : std::max(1, gpus);
}

void check_gpus(const Config& pools, const Deployment& d) {
  std::int64_t all = 0;
  for (const auto& p : d.pools) {
    const Parallel& s = p->section.parallel;
    if (s.tensor < 1 || s.data < 1 || s.pipeline < 1)
      pools.fail("parallel: tensor, data and pipeline must be at least 1");
    if (p->described < 1) pools.fail("instances must be at least 1");
    all += std::int64_t{p->described} * whole_nodes(s.gpus(), d.cluster.node.gpus);
  }
  if (all > d.cluster.gpus())
    pools.fail(fmt::format("the pools take {} GPUs, but the cluster has {}", all, d.cluster.gpus()));
}

/// How many instances of each pool stand for all of them, and how much of the load they get.
void fold(const Config& scenario, Deployment& d) {
  int factor = 1;
  if (scenario.has("fold")) {
    const Config config = scenario.at("fold");
    const std::string word = config.text();
    if (word == "data") {
      factor = INT32_MAX;
      for (const auto& p : d.pools) factor = std::min(factor, p->described);
    } else if (word != "none") {
      config.parse(factor);
      if (factor < 1) config.fail("expected none, data or a number of replicas that one stands for");
    }
    config.resolve("", word);
  }
  d.fold = factor;
  double prompt = 0, decode = 0;
  const auto part = [&](bool decodes) {
    int all = 0, simulated = 0;
    for (auto& p : d.pools)
      if ((p->section.role == Role::decode) == decodes) all += p->described, simulated += p->simulated;
    return all > 0 ? double(simulated) / all : 0.0;
  };
  for (auto& p : d.pools) p->simulated = std::max(1, p->described / factor);
  decode = part(true);
  prompt = part(false);
  if (prompt == 0) prompt = decode;                           // prompts come from elsewhere
  while (part(false) > 0 && (prompt = part(false)) < decode)  // prompts must not be scarcer than decoding needs them
    for (auto& p : d.pools)
      if (p->section.role != Role::decode && p->simulated < p->described) ++p->simulated;
  d.share = prompt;
  d.outside = decode > 0 ? std::max(0.0, 1 - decode / prompt) : 0;
}
}  // namespace

std::unique_ptr<Deployment> build_deployment(StudyRun& run, Engine& engine) {
  auto out = std::make_unique<Deployment>();
  Deployment& d = *out;
  const Config config = run.scenario.at("serving");
  config.parse(d.section);
  check_speculation(d.section.speculation);
  const std::vector<Config> pools = config.at("pools").items();
  if (pools.empty()) config.at("pools").fail("expected at least one pool");
  d.has_model = run.scenario.has("model");
  if (d.has_model) {
    d.model = read_model(run.scenario.at("model"));
    if (!d.model.unpublished.empty())
      run.scenario.at("model").fail(fmt::format("{} cannot be simulated: {}", d.model.name, d.model.unpublished));
    if (d.section.speculation.kind == DraftKind::mtp && d.model.mtp_layers == 0)
      config.at("speculation").fail(fmt::format("{} has no multi-token prediction layer", d.model.name));
  }
  for (const PoolSection& p : d.section.pools) {
    d.pools.push_back(std::make_unique<BuiltPool>());
    d.pools.back()->section = p;
    d.pools.back()->described = p.instances;
  }
  fold(run.scenario, d);

  WorkloadContext context{.seed = run.seed, .share = d.share, .outside = d.outside, .beside = run.scenario.file()};
  if (d.section.duration.v > 0) context.duration = d.section.duration;
  d.workload = workloads().make(config.at("workload"), context);

  const bool hardware = run.scenario.has("cluster");
  if (hardware) {
    d.cluster = read_cluster(run.scenario.at("cluster"));
    d.network = networks().make_or(run.scenario, "network", "bottleneck", engine, d.cluster);
    d.calibration = d.network->calibration();
    d.mover = std::make_unique<NetworkMover>(*d.network);
  }
  if (hardware) check_gpus(config.at("pools"), d);
  int gpus = 0;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    BuiltPool& pool = *d.pools[i];
    if (!pool.section.fixed && !hardware) run.scenario.fail("missing key \"cluster\": steps are computed on its GPUs");
    pool.node = d.cluster.node;
    if (pools[i].has("node")) {
      pool.node = read_node(pools[i].at("node"));
      Cluster own = d.cluster;
      own.node = pool.node;
      own.nodes = std::max(1, (pool.section.parallel.gpus() + own.node.gpus - 1) / own.node.gpus);
      pool.topology = std::make_unique<Topology>(own);
    }
    PoolShape shape;
    build_pool(run, pools[i], d, pool, shape);
    shape.instances = pool.simulated;
    shape.first_gpu = gpus;
    shape.gpus = whole_nodes(shape.gpus, pool.node.gpus);
    gpus += pool.simulated * shape.gpus;
    d.shape.pools.push_back(std::move(shape));
  }
  ServiceShape& s = d.shape;
  s.context = d.section.context > 0 ? d.section.context : d.has_model ? d.model.max_positions : 0;
  s.duration = context.duration;
  s.drain = d.section.drain;
  if (!s.drain && d.section.duration.v == 0) config.fail("drain: false needs a duration");
  s.warmup = d.section.warmup;
  s.slo = d.section.slo;
  s.faults = d.section.faults;
  s.gpus_per_node = hardware ? d.cluster.node.gpus : 8;
  s.layers = d.has_model ? d.model.layers : 1;
  s.sample = d.section.sample.v > 0 ? d.section.sample : d.section.duration.v > 0 ? d.section.duration / 100 : 60_s;
  s.rebalance = d.section.rebalance.spec.interval;
  return out;
}
}  // namespace moesim
