#include "serving/deployment/pool_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ceil_div.h"
#include "serving/deployment/pool_buffers.h"
#include "spec/layer_shape.h"

namespace moesim::serving {
namespace {
using forward::ShareOf;

/// What a token beyond the window takes of one within it: only layers that keep everything keep it.
double beyond_window(const spec::Model& model, const compute::HeldLayers& held, const compute::LayerOptions& options) {
  compute::HeldLayers whole;
  for (const int layer : held.layers)
    if (!spec::layer_shape(model, layer).attention.keeps.bounded()) whole.layers.push_back(layer);
  const Bytes all = compute::kv_bytes_per_token(model, held, options);
  if (whole.layers.size() == held.layers.size() || all.v == 0) return 1;
  return double(compute::kv_bytes_per_token(model, whole, options).v) / double(all.v);
}

double shared_bytes(const CacheShare& cache, const spec::Gpu& gpu) {
  const double usable = double(gpu.usable().v);
  switch (cache.of) {
    case ShareOf::all:
      return std::min(double(gpu.memory.v) * cache.share, usable);
    case ShareOf::weights_and_cache:
      return usable * cache.share;
    case ShareOf::rest:
      break;
  }
  return usable;
}

std::string share_text(const CacheShare& cache, const spec::Gpu& gpu) {
  if (cache.of == ShareOf::rest) return fmt::format("what {} has to use", gpu.name);
  return fmt::format("{:.4g} % of {}", cache.share * 100, gpu.name);
}

// assumed: what allocators keep in pieces, and small buffers that nobody counts, fill up to this; SGLang sets 10 GiB
// aside on GPUs of this size.
constexpr Bytes kLeastBuffers = 4_GiB;

/// key: "" for all of it.
[[noreturn]] void fail_for_memory(const Config& config, std::string_view key, const std::string& problem) {
  try {
    if (key.empty()) config.fail(problem);
    config.fail_below(key, problem);
  } catch (const ConfigError& e) {
    throw TooLittleMemory(e);
  }
}

/// A scenario may set aside less than its steps take.
void check_buffers(const Config& config, const BuiltPool& pool) {
  const Bytes need = compute::sum_of(pool.buffers);
  const double taken = double(pool.weights.v) + double(pool.kv_gpu_token.v) * double(pool.capacity);
  const double left = double(pool.node.gpu.usable().v) - taken;
  if (double(need.v) <= left) return;
  const KvSection& kv = pool.section.kv;
  const std::string_view key = kv.capacity > 0 ? "kv.capacity" : kv.buffers ? "kv.buffers" : "kv";
  fail_for_memory(config, key,
                  fmt::format("a step of {} tokens takes {:.2f} GB of each GPU ({}), but weights and KV cache leave "
                              "{:.2f} GB of {}; make room for them or take a smaller batch",
                              pool.batcher->max_tokens(), gigabytes(need), largest_buffers(pool),
                              std::max(0.0, left) * 1e-9, pool.node.gpu.name));
}
}  // namespace

Bytes buffers_of(const KvSection& kv, const std::vector<compute::MemoryItem>& counted) {
  return kv.buffers ? *kv.buffers : std::max(kLeastBuffers, compute::sum_of(counted));
}

CacheShare cache_share(const KvSection& kv, const BuiltPool& pool) {
  CacheShare out;
  const forward::EngineMemory& engine = pool.engine.memory;
  if (pool.engine_named && !kv.memory_share && !kv.share_of) {
    const double memory = double(pool.node.gpu.memory.v);
    const Bytes aside = engine.set_aside.of(pool.batcher->max_tokens(), pool.batcher->max_requests(),
                                            pool.section.parallel.gpus(), pool.node.gpu.memory);
    out.share = engine.share > 0 ? engine.share : 1 - double(aside.v) / memory;
    out.of = engine.share_of;
  }
  out.share = kv.memory_share.value_or(out.share);
  out.of = kv.share_of.value_or(out.of);
  out.buffers = kv.buffers.value_or(Bytes{});
  return out;
}

std::string share_meaning(const CacheShare& cache, const spec::Gpu& gpu) {
  const double share = cache.share * 100, buffers = gigabytes(cache.buffers);
  switch (cache.of) {
    case ShareOf::all:
      return fmt::format("{:.4g} % of all {:.1f} GB, less weights and {:.2f} GB of buffers", share,
                         gigabytes(gpu.memory), buffers);
    case ShareOf::weights_and_cache:
      return fmt::format("{:.4g} % of the {:.1f} GB that can be used, less weights", share, gigabytes(gpu.usable()));
    case ShareOf::rest:
      break;
  }
  return fmt::format("{:.4g} % of what weights and {:.2f} GB of buffers leave of {:.1f} GB", share, buffers,
                     gigabytes(gpu.usable()));
}

double cache_room(const CacheShare& cache, const spec::Gpu& gpu, Bytes weights) {
  const double held = double(weights.v), buffers = double(cache.buffers.v), usable = double(gpu.usable().v);
  switch (cache.of) {
    case ShareOf::all:
      return shared_bytes(cache, gpu) - held - buffers;
    case ShareOf::weights_and_cache:  // what is set aside for the buffers may be too little for them
      return std::min(shared_bytes(cache, gpu), usable - buffers) - held;
    case ShareOf::rest:
      break;
  }
  return (usable - held - buffers) * cache.share;
}

compute::HeldLayers held(const spec::Model& model, const Parallel& p, int stage, int slots, bool drafts) {
  compute::HeldLayers out;
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

namespace {
/// What an EAGLE head adds to the last stage.
struct HeadBytes {
  Bytes weights{}, token{};
};
HeadBytes eagle_bytes(const Deployment& d, const PoolSection& s, const compute::LayerOptions& options) {
  const SpeculationSpec& drafts = d.section.speculation;
  if (drafts.kind != DraftKind::eagle || s.role == Role::prefill) return {};
  const spec::Model head = eagle_model(d.model, drafts.eagle);
  const compute::LayerOptions own = draft_options(options);
  const compute::HeldLayers held{.layers = {0}, .head = drafts.eagle.vocabulary > 0, .mtp = true};
  return {compute::held_weights(head, held, spec::Dtype::bf16, own), compute::kv_bytes_per_token(head, held, own)};
}

/// What is left for the cache on a GPU of this stage; throws ConfigError if nothing is.
double stage_room(const Config& config, const Deployment& d, const BuiltPool& pool, Bytes weights) {
  const double room = cache_room(pool.cache, pool.node.gpu, weights);
  if (room > 0) return room;
  fail_for_memory(config, "",
                  fmt::format("the weights of {} take {:.1f} GB and the buffers {:.1f} GB of each GPU, but "
                              "{} are {:.1f} GB; use more GPUs or a smaller precision",
                              d.model.name, gigabytes(weights), gigabytes(pool.cache.buffers),
                              share_text(pool.cache, pool.node.gpu), shared_bytes(pool.cache, pool.node.gpu) * 1e-9));
}
}  // namespace

void fit_memory(const Config& config, const Deployment& d, BuiltPool& pool, const LayeredCost::Setup& cost) {
  const PoolSection& s = pool.section;
  const compute::LayerOptions& options = cost.options;
  CacheShare tightest = cache_share(s.kv, pool);
  std::int64_t least = INT64_MAX;
  for (int stage = 0; stage < s.parallel.pipeline; ++stage) {
    const bool drafts = d.section.speculation.kind == DraftKind::mtp && s.role != Role::prefill;
    const compute::HeldLayers h = held(d.model, s.parallel, stage, pool.slots_per_gpu, drafts);
    Bytes weights = at_key("parallel.tensor", [&] {
      return compute::held_weights(d.model, h, options.precision.linear, options);  // refuses what does not divide
    });
    Bytes token = compute::kv_bytes_per_token(d.model, h, options);
    if (const HeadBytes head = eagle_bytes(d, s, options); h.head) weights += head.weights, token += head.token;
    const Bytes state = compute::state_bytes_per_request(d.model, h, options);
    if (token.v == 0 && state.v > 0)
      config.fail_below(
          "parallel.pipeline",
          fmt::format("stage {} of {} has no layer that caches tokens, by which a KV cache is counted; use "
                      "fewer stages",
                      stage, s.parallel.pipeline));
    const std::vector<compute::MemoryItem> buffers = step_buffers(d, pool, cost, h);
    pool.cache = tightest;
    pool.cache.buffers = buffers_of(s.kv, buffers);
    const double room = stage_room(config, d, pool, weights);
    const std::int64_t tokens = token.v > 0 ? std::int64_t(room / double(token.v)) : INT64_MAX;
    if (tokens >= least) continue;
    least = tokens;
    tightest = pool.cache;
    pool.weights = weights;
    pool.kv_gpu_token = token;
    pool.beyond_window = beyond_window(d.model, h, options);
    pool.state_tokens = state.v > 0 ? ceil_div(state.v, token.v) : 0;
    pool.buffers = buffers;
  }
  pool.cache = tightest;
  pool.capacity = s.kv.capacity > 0 ? s.kv.capacity : least / s.kv.block * s.kv.block;
  if (pool.capacity < s.kv.block)
    config.fail_below("kv.block", fmt::format("the KV cache of {} tokens does not hold a single block of {}",
                                              s.kv.capacity > 0 ? s.kv.capacity : least, s.kv.block));
  if (pool.capacity < INT64_MAX / 2) check_buffers(config, pool);
}
}  // namespace moesim::serving
