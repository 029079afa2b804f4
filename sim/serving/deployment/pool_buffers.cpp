#include "serving/deployment/pool_buffers.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "compute/layers/prompt_parts.h"
#include "network/exchanges/exchange_buffers.h"
#include "placement/planning/packing.h"

namespace moesim::serving {
namespace {
/// The largest step of a rank.
compute::Batch largest_step(const Deployment& d, const BuiltPool& pool) {
  compute::Batch out;
  const int requests = pool.batcher->max_requests(), queries = 1 + d.section.speculation.drafts();
  if (pool.section.role == Role::decode)
    compute::add_decode(out, d.model, 1, queries, requests);  // the cache that attention reads is no buffer
  else
    compute::add_prefill(out, d.model, pool.batcher->max_tokens());
  out.outputs = std::min<std::int64_t>(out.tokens, requests);
  const int parts = pool.section.parallel.context;
  return parts > 1 ? compute::prompt_part(out, 0, parts) : out;
}
}  // namespace

double fullest_gpu(const Deployment& d, const BuiltPool& pool, const LayeredCost::Setup& cost) {
  if (!d.model.moe) return 1;
  const routing::TrafficSource& source = *pool.sources[pool.section.role == Role::decode ? 1 : 0];
  std::vector<double> shares(std::size_t(d.model.moe->experts));
  double worst = 0;
  for (std::size_t i = 0; i < pool.maps.size(); ++i) {
    source.shares(cost.experts->layers[i], 0, shares);
    const placement::PlacementProblem problem{.gpus = cost.experts->gpus, .slots = pool.maps[i].slots()};
    const double most = std::ranges::max(placement::gpu_times(pool.maps[i], problem, shares));
    const double mean = std::accumulate(shares.begin(), shares.end(), 0.0) / problem.gpus;
    if (mean > 0) worst = std::max(worst, most / mean - 1);
  }
  return 1 + worst;
}

double gigabytes(Bytes bytes) { return double(bytes.v) * 1e-9; }

std::vector<compute::MemoryItem> step_buffers(const Deployment& d, const BuiltPool& pool,
                                              const LayeredCost::Setup& cost, const compute::HeldLayers& held) {
  const Parallel& p = pool.section.parallel;
  const compute::Batch batch = largest_step(d, pool);
  std::int64_t rows = 0;
  Bytes exchanged{};
  if (d.model.moe) {
    const std::int64_t fed = p.experts_tensor ? batch.tokens : (batch.tokens + p.tensor - 1) / p.tensor;
    const std::int64_t sent = fed * d.model.moe->rows_a_token();
    rows = std::int64_t(double(sent) * pool.fullest);
    const int gpus = cost.experts->gpus;
    exchanged = network::exchange_buffers(cost.experts->dispatch, cost.experts->combine,
                                          {.gpus = gpus,
                                           .per_node = std::min(gpus, pool.node.gpus),
                                           .hidden = d.model.row_width(),
                                           .experts = pool.slots_per_gpu * gpus,
                                           .tokens = fed,
                                           .sent = sent,
                                           .arrived = rows});
  }
  compute::MemoryUse use = compute::serving_memory(d.model, held, {}, batch, rows, cost.options, exchanged);
  std::erase_if(use.items, [](const compute::MemoryItem& item) { return item.name == "weights"; });
  const forward::EngineMemory& memory = pool.engine.memory;
  // Whole prompts' new keys in a layer, and what the last one gives for the head (prompt_parts.h).
  if (p.context > 1) {
    std::int64_t most = 2 * d.model.hidden;
    for (const int layer : held.layers) {
      const compute::GatheredKeys keys = compute::gathered_keys(d.model, layer, cost.options);
      most = std::max({most, keys.kept.v, keys.index.v});
    }
    use.items.push_back({"gathered tokens", Bytes{most * pool.batcher->max_tokens()}});
  }
  if (p.gpus() > 1) use.items.push_back({"collectives", memory.collectives});
  if (cost.options.graphs)
    use.items.push_back({"cuda graphs", memory.graph_request * std::int64_t{std::min(pool.batcher->max_requests(),
                                                                                     pool.engine.batch.graphs)}});
  return use.items;
}

std::string largest_buffers(const BuiltPool& pool) { return compute::largest_items(pool.buffers, 3, 2); }
}  // namespace moesim::serving
