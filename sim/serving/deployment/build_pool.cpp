#include "serving/deployment/build_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "network/collectives/engine_all_reduce.h"
#include "serving/deployment/pool_buffers.h"
#include "serving/deployment/pool_choices.h"
#include "serving/deployment/pool_experts.h"
#include "serving/deployment/pool_growth.h"
#include "serving/deployment/pool_memory.h"
#include "spec/count.h"

namespace moesim::serving {
namespace {
/// The pool but for its instances.
void fill_pool(const Config& config, const Deployment& d, BuiltPool& pool, PoolShape& shape) {
  PoolSection& s = pool.section;
  if (s.name.empty()) s.name = std::string(name_of(s.role));
  shape.name = s.name;
  shape.role = s.role;
  shape.start_up = s.start_up;
  shape.layerwise_transfer = d.section.layerwise_transfer;
  shape.tensor = s.parallel.tensor;
  shape.context = s.parallel.context;
  shape.gpus = s.parallel.gpus();
  shape.autoscale = s.autoscale;
  pool.batcher =
      config.has("batcher") ? batchers().make(config.at("batcher")) : batchers().make_or(config, "batcher", "chunked");
  shape.batcher = pool.batcher.get();
  if (pool.engine_named) pool.batcher->usual({pool.engine.batch.requests, pool.engine.batch.tokens});
}

bool has_states(const spec::Model& model) {
  const std::vector<spec::LayerShape> layers = spec::layer_shapes(model);
  return std::ranges::any_of(layers, [](const auto& l) { return spec::keeps_state(l.attention.kind); });
}

/// A prefix is of use only with the states at its end, which nobody keeps for blocks that others may go on from.
/// DeepSeek-V4's prefixes are of entries; assumed: the window and the unfinished entries at a block's end, which its
/// next tokens need, are kept with it, and their 128 tokens a layer are not counted.
bool keeps_prefixes(const Deployment& d, const PoolSection& s) {
  return s.kv.prefix_cache && s.role != Role::decode && !(d.has_model && has_states(d.model));
}

/// An instance but for its memory.
void fill_instance(const Deployment& d, const PoolSection& s, InstanceShape& shape) {
  shape.ranks = s.parallel.data;
  shape.stages = s.parallel.pipeline;
  shape.preemption = s.kv.preemption;
  shape.watermark = s.kv.watermark;
  shape.domains = int(std::max<std::size_t>(1, d.section.domains.size()));
  if (s.role != Role::prefill) shape.speculation = d.section.speculation;
  shape.kv.block = s.kv.block;
  // Decode pools get their KV caches over the network: a prefix cache would never be asked.
  const int hashes = keeps_prefixes(d, s) ? d.workload->hash_block() : 0;
  if (hashes > 0) {
    shape.kv.hash_block = hashes;
    shape.kv.block = std::gcd(hashes, s.kv.block);
  }
}

/// Steps of a fixed cost, and a KV cache of a given size.
void fill_fixed(const Config& config, BuiltPool& pool, PoolShape& shape) {
  const PoolSection& s = pool.section;
  KvShape& kv = shape.instance.kv;
  if (s.kv.capacity < 1) config.fail_below("kv.capacity", "is needed where steps have a fixed cost");
  if (s.parallel.pipeline > 1)
    config.fail_below("parallel.pipeline", fmt::format("a fixed step has one stage, got {}", s.parallel.pipeline));
  for (const auto& [key, space] : {std::pair("kv.host", s.kv.host), {"kv.disk", s.kv.disk}, {"kv.remote", s.kv.remote}})
    if (space.v > 0) config.fail_below(key, "a fixed step knows no bytes of a token: use kv.capacity");
  kv.capacity = pool.capacity = s.kv.capacity / kv.block * kv.block;
  shape.cost = [fixed = *s.fixed](int) { return std::make_unique<FixedCost>(fixed); };
}

std::string host_text(const forward::HostTime& host) {
  if (host.step.v == 0 && host.request.v == 0) return to_text(host.gap);
  return fmt::format("{} and {} a request, {}; {} between steps", to_text(host.step), to_text(host.request),
                     host.overlapped ? "beside the step before" : "waited for", to_text(host.gap));
}

/// The engine, and whether it was asked for.  Throws where its all-reduce is not that of any kernels measured.
void note_engine(results::StudyRun& run, const Config& config, const Deployment& d, const BuiltPool& pool,
                 const forward::HostTime& host) {
  const Config serving = run.scenario.at("serving"), &where = config.has("engine") ? config : serving;
  if (pool.engine_named)
    where.at("engine").placed([&] { network::check_engine_kernels(d.calibration, pool.engine.all_reduce); });
  const std::string scope = "pool:" + pool.section.name;
  run.results.add(results::Table::assumption,
                  {scope, "engine", pool.engine.title, pool.engine_named ? "as asked" : "none is named"});
  run.results.add(results::Table::assumption,
                  {scope, "host time of a step", host_text(host), pool.section.overhead ? "as asked" : "the engine's"});
}

/// How long a step takes, layer by layer.
LayeredCost::Setup set_up_cost(results::StudyRun& run, const Config& config, const Deployment& d, BuiltPool& pool) {
  const PoolSection& s = pool.section;
  forward::StepSetup setup = setup_of(config, s, d.model, pool.node.gpu, pool.engine);
  setup.options.graph_tokens = pool.engine.batch.graphs;
  forward::write_assumptions(run.results, "pool:" + s.name, setup);
  const forward::HostTime host = s.overhead ? forward::HostTime{.gap = *s.overhead} : pool.engine.host;
  note_engine(run, config, d, pool, host);
  if (d.section.energy.busy == 0 && pool.node.gpu.generation != "blackwell")
    run.results.add(results::Table::assumption,
                    {"pool:" + s.name, "power", "shares of the board limit by kernel", "borrowed: measured on B200"});
  pool.kernel_model = compute::make_kernel_model(run.scenario, pool.node.gpu);
  pool.kernel_model->prefer(pool.engine.experts);
  pool.kernel_model->prefer_scans(pool.engine.scans);
  pool.kernels = std::make_unique<compute::KernelCosts>(*pool.kernel_model);
  LayeredCost::Setup cost;
  cost.model = &d.model;
  cost.kernels = pool.kernels.get();
  cost.topology = pool.topology ? pool.topology.get() : &d.network->topology();
  cost.calibration = d.calibration;
  cost.all_reduce = pool.engine.all_reduce;
  cost.parallel = s.parallel;
  cost.options = setup.options;
  cost.overlap = s.overlap;
  cost.host = host;
  if (s.role != Role::prefill) cost.speculation = d.section.speculation;
  if (d.model.moe) {
    cost.experts = set_up_experts(run, config, d, pool, setup);
    cost.share = cost.experts->share;
    set_up_rebalancing(run, d, pool, cost);
  }
  return cost;
}

/// Prompts that GPUs share, and what each of these holds for it.
void note_context(const Config& config, results::Results& results, const BuiltPool& pool) {
  const Parallel& p = pool.section.parallel;
  if (p.context == 1) return;
  const int width = p.tensor * p.context, node = pool.node.gpus;
  if (width % node != 0 && node % width != 0)
    config.fail_below("parallel.context",
                      fmt::format("the {} GPUs that share a prompt (tensor x context) neither divide a node of {} nor "
                                  "fill whole ones",
                                  width, node));
  // SGLang, documentation of prefill context parallelism (2026).  vLLM's would cut the cache too (vllm #25749).
  results.add(results::Table::assumption,
              {"pool:" + pool.section.name, "context parallelism", fmt::format("each prompt in {} parts", p.context),
               "as SGLang: new keys gathered in BF16 in every layer, the KV cache whole on each part's GPUs"});
}

/// What an instance's ranks hold of the KV cache, and how fast it comes from below.
void fill_memory(const spec::Model& model, const BuiltPool& pool, const compute::LayerOptions& options,
                 InstanceShape& shape) {
  const PoolSection& s = pool.section;
  shape.kv.capacity = pool.capacity / shape.kv.block * shape.kv.block;
  shape.window = spec::windowed_read(model);
  shape.kv.window = spec::windowed_keep(model).last;
  shape.kv.beyond = pool.beyond_window;
  shape.kv.state = pool.state_tokens;
  Bytes rank_token{};
  for (int stage = 0; stage < s.parallel.pipeline; ++stage)
    rank_token +=
        compute::kv_bytes_per_token(model, held(model, s.parallel, stage, 0, false), options) * s.parallel.tensor;
  shape.kv_token = rank_token;
  shape.host = {pool.node.host_bandwidth.v * s.parallel.tensor};
  shape.disk = {s.kv.disk_bandwidth.v * s.parallel.tensor};
  const std::int64_t per_gpu = std::max<std::int64_t>(1, rank_token.v / s.parallel.tensor);
  shape.kv.host = s.kv.host.v / per_gpu;
  shape.kv.disk = s.kv.disk.v / per_gpu;
  const spec::Node& node = pool.node;
  const Bandwidth adapter{node.nic.v * std::min(1.0, double(node.nics) / node.gpus)};
  shape.remote = {s.kv.remote_bandwidth.value_or(adapter).v * s.parallel.tensor};
}

/// The store that the pool's ranks share.  Simulated instances that stand for more of them have their part of it.
void share_store(const Config& config, const BuiltPool& pool, InstanceShape& shape) {
  const Bytes space = pool.section.kv.remote;
  if (space.v == 0) {
    if (pool.section.kv.remote_bandwidth) config.fail_below("kv.remote_bandwidth", "has no effect without kv.remote");
    return;
  }
  if (shape.kv.hash_block == 0)
    config.fail_below("kv.remote",
                      "has no effect: the pool keeps no prefixes, or the workload has none that requests "
                      "share");
  if (pool.section.kv.remote_bandwidth.value_or(1_GBps).v <= 0)
    config.fail_below("kv.remote_bandwidth", "must be above 0");
  const double blocks = double(space.v) / double(shape.kv_token.v) / shape.kv.hash_block;
  const std::int64_t most = std::int64_t(blocks * pool.simulated / pool.described);
  if (most < 1)
    config.fail_below("kv.remote", fmt::format("{} hold no block of {} tokens", to_text(space), shape.kv.hash_block));
  shape.kv.store = std::make_shared<PrefixStore>(most);
}

void note_memory(results::Results& results, const spec::Model& model, const BuiltPool& pool) {
  const std::string scope = "pool:" + pool.section.name;
  if (pool.state_tokens > 0) {
    results.add(results::Table::assumption,
                {scope, "states",
                 fmt::format("{:.1f} MB a request and GPU", double((pool.kv_gpu_token * pool.state_tokens).v) * 1e-6),
                 fmt::format("as much of the KV cache as {} tokens", pool.state_tokens)});
    if (pool.section.kv.prefix_cache && has_states(model))
      results.add(results::Table::assumption, {scope, "prefix cache", "off", "states are not kept where prefixes end"});
    else if (pool.section.kv.prefix_cache)
      results.add(results::Table::assumption, {scope, "prefix cache", "of entries",
                                               "assumed: windows where prefixes end are kept, and not counted"});
  }
  if (pool.section.kv.capacity == 0)
    results.add(
        results::Table::assumption,
        {scope, "kv cache", fmt::format("{:.1f} GB a GPU", double((pool.kv_gpu_token * pool.capacity).v) * 1e-9),
         share_meaning(pool.cache, pool.node.gpu)});
  if (!pool.section.kv.buffers)
    results.add(results::Table::assumption,
                {scope, "buffers", fmt::format("{:.2f} GB a GPU", gigabytes(pool.cache.buffers)),
                 "computed: " + largest_buffers(pool)});
}
}  // namespace

void build_pool(results::StudyRun& run, const Config& config, Deployment& d, BuiltPool& pool, PoolShape& shape) {
  fill_pool(config, d, pool, shape);
  fill_instance(d, pool.section, shape.instance);
  if (pool.section.fixed) return fill_fixed(config, pool, shape);
  if (!d.has_model)
    run.scenario.fail("missing key \"model\": steps are computed layer by layer unless a pool is fixed");
  note_context(config, run.results, pool);
  const LayeredCost::Setup cost = set_up_cost(run, config, d, pool);
  shape.instance.own_routing = cost.experts && cost.experts->own_routing;
  pool.fullest = fullest_gpu(d, pool, cost);
  fit_memory(config, d, pool, cost);
  const bool grows = !pool.section.grow.empty();
  if (grows)
    build_growth(
        run, config, d, pool, cost,
        [&](results::StudyRun& quiet, BuiltPool& size) {
          PoolShape unused;
          fill_pool(config, d, size, unused);
          return set_up_cost(quiet, config, d, size);
        },
        shape);
  note_memory(run.results, d.model, pool);
  fill_memory(d.model, pool, cost.options, shape.instance);
  share_store(config, pool, shape.instance);
  if (grows) return;
  shape.cost = [cost, config, &pool](int) {
    auto out = config.placed([&] { return std::make_unique<LayeredCost>(cost); });
    pool.costs.push_back(out.get());
    return out;
  };
}
}  // namespace moesim::serving
