#include "serving/deployment/pool_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/layer_shape.h"

namespace moesim::serving {
namespace {
/// What a token beyond the window takes of one within it: only layers that keep everything keep it.
double beyond_window(const spec::Model& model, const compute::HeldLayers& held) {
  if (held.layers.empty()) return 1;
  const auto lets_go = [&](int layer) { return spec::layer_shape(model, layer).attention.keeps.bounded(); };
  return 1 - double(std::ranges::count_if(held.layers, lets_go)) / double(held.layers.size());
}

double shared_bytes(const KvSection& kv, const spec::Gpu& gpu) {
  const double usable = double(gpu.usable().v);
  switch (kv.share_of) {
    case ShareOf::all:
      return std::min(double(gpu.memory.v) * kv.memory_share, usable);
    case ShareOf::weights_and_cache:
      return usable * kv.memory_share;
    case ShareOf::rest:
      break;
  }
  return usable;
}

std::string share_text(const KvSection& kv, const spec::Gpu& gpu) {
  if (kv.share_of == ShareOf::rest) return fmt::format("what {} has to use", gpu.name);
  return fmt::format("{:.4g} % of {}", kv.memory_share * 100, gpu.name);
}
}  // namespace

std::string share_meaning(const KvSection& kv, const spec::Gpu& gpu) {
  const double share = kv.memory_share * 100, buffers = double(kv.buffers.v) * 1e-9;
  switch (kv.share_of) {
    case ShareOf::all:
      return fmt::format("{:.4g} % of all {:.1f} GB, less weights and {:.2f} GB of buffers", share,
                         double(gpu.memory.v) * 1e-9, buffers);
    case ShareOf::weights_and_cache:
      return fmt::format("{:.4g} % of the {:.1f} GB that can be used, less weights", share,
                         double(gpu.usable().v) * 1e-9);
    case ShareOf::rest:
      break;
  }
  return fmt::format("{:.4g} % of what weights and {:.2f} GB of buffers leave of {:.1f} GB", share, buffers,
                     double(gpu.usable().v) * 1e-9);
}

double cache_room(const KvSection& kv, const spec::Gpu& gpu, Bytes weights) {
  const double held = double(weights.v), buffers = double(kv.buffers.v), usable = double(gpu.usable().v);
  switch (kv.share_of) {
    case ShareOf::all:
      return shared_bytes(kv, gpu) - held - buffers;
    case ShareOf::weights_and_cache:  // what is set aside for the buffers may be too little for them
      return std::min(shared_bytes(kv, gpu), usable - buffers) - held;
    case ShareOf::rest:
      break;
  }
  return (usable - held - buffers) * kv.memory_share;
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

void fit_memory(const Config& config, const Deployment& d, BuiltPool& pool, const compute::LayerOptions& options) {
  const PoolSection& s = pool.section;
  const spec::Gpu& gpu = pool.node.gpu;
  std::int64_t least = INT64_MAX;
  for (int stage = 0; stage < s.parallel.pipeline; ++stage) {
    const bool drafts = d.section.speculation.kind == DraftKind::mtp && s.role != Role::prefill;
    const compute::HeldLayers h = held(d.model, s.parallel, stage, pool.slots_per_gpu, drafts);
    const Bytes weights = at_key("parallel.tensor", [&] {
      return compute::held_weights(d.model, h, options.precision.linear, options);  // refuses what does not divide
    });
    const Bytes token = compute::kv_bytes_per_token(d.model, h, options);
    const double room = cache_room(s.kv, gpu, weights);
    if (room <= 0)
      config.fail(fmt::format(
          "the weights of {} take {:.1f} GB and the buffers {:.1f} GB of each GPU, but {} are {:.1f} GB; use "
          "more GPUs or a smaller precision",
          d.model.name, double(weights.v) * 1e-9, double(s.kv.buffers.v) * 1e-9, share_text(s.kv, gpu),
          shared_bytes(s.kv, gpu) * 1e-9));
    const std::int64_t tokens = token.v > 0 ? std::int64_t(room / double(token.v)) : INT64_MAX;
    if (tokens < least) {
      least = tokens;
      pool.weights = weights;
      pool.kv_gpu_token = token;
      pool.beyond_window = beyond_window(d.model, h);
    }
  }
  pool.capacity = s.kv.capacity > 0 ? s.kv.capacity : least / s.kv.block * s.kv.block;
  if (pool.capacity < s.kv.block)
    config.fail_below("kv.block", fmt::format("the KV cache of {} tokens does not hold a single block of {}",
                                              s.kv.capacity > 0 ? s.kv.capacity : least, s.kv.block));
}
}  // namespace moesim::serving
