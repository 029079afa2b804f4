#include "sizing/unit_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "serving/deployment/pool_buffers.h"
#include "serving/deployment/pool_memory.h"
#include "spec/layer_shape.h"

namespace moesim::sizing {
namespace {
/// Layers until the pattern of their shapes begins anew: two such counts draw a step out to all layers.
std::pair<int, int> few_layers(const spec::Model& model) {
  const int first = model.moe ? std::max(0, model.moe_layers().front()) : 0;
  int period = 1;
  for (; period < model.layers - first; ++period) {
    bool repeats = true;
    for (int l = first; repeats && l + period < model.layers; ++l)
      repeats = spec::layer_shape(model, l) == spec::layer_shape(model, l + period);
    if (repeats) break;
  }
  const int least = std::max(2, period);
  return {first + least, first + 2 * least};
}
}  // namespace

struct UnitModel::Built {
  Config scenario;
  results::Results results{":memory:", {}};
  results::SpanLog spans;
  Engine engine;
  std::unique_ptr<serving::Deployment> deployment;
  std::unique_ptr<serving::StepModel> cost;
  serving::StepTimes times;
};

UnitModel::~UnitModel() = default;

UnitModel::UnitModel(const Plan& plan, const PricedNode& node, const std::string& engine, const PoolDesign& design)
    : plan_(plan), one_{&node, engine, {design}, {1}}, all_(plan.model.layers) {
  const auto [few, more] = few_layers(plan.model);
  const bool whole = more >= all_ || !plan.model_named;
  few_ = whole ? all_ : few;
  more_ = whole ? all_ : more;
  const serving::BuiltPool& pool = *built(design.overlap, few_).deployment->pools.front();
  const compute::LayerOptions& options = pool.costs.front()->setup().options;
  const serving::Parallel parallel{design.tensor, design.data, 1, design.experts_tensor};
  const compute::HeldLayers held = serving::held(plan.model, parallel, 0, pool.slots_per_gpu, false);
  weights_ = compute::held_weights(plan.model, held, options.precision.linear, options);
  token_ = compute::kv_bytes_per_token(plan.model, held, options);
}

std::unique_ptr<UnitModel::Built> UnitModel::build(const Plan& plan, const Deployment& one, int layers,
                                                   serving::OverlapKind overlap) {
  auto out = std::make_unique<Built>();
  Deployment d = one;
  d.pools[0].overlap = overlap;
  d.pools[0].batch = std::max(1, d.pools[0].batch);
  const std::string text = scenario_text(plan, d, {.duration = 1_s, .bare = true}, layers == all_ ? 0 : layers);
  out->scenario = Config::from_text(text, plan.file);
  results::StudyRun run{out->scenario, plan.seed, out->results, out->spans};
  out->deployment = out->scenario.at("serving").placed([&] { return serving::build_deployment(run, out->engine); });
  out->cost = out->deployment->shape.pools.front().cost(0);
  return out;
}

UnitModel::Built& UnitModel::built(serving::OverlapKind overlap, int layers) {
  auto& at = built_[{overlap, layers}];
  if (!at) at = build(plan_, one_, layers, overlap);
  return *at;
}

UnitModel::Memory UnitModel::memory(int batch, int tokens) {
  Built& b = built(one_.pools[0].overlap, few_);
  serving::BuiltPool& pool = *b.deployment->pools.front();
  const serving::Parallel parallel{one_.pools[0].tensor, one_.pools[0].data, 1, one_.pools[0].experts_tensor};
  pool.batcher = serving::batchers().make(
      Config::from_text(fmt::format("{{kind: chunked, max_requests: {}, max_tokens: {}}}", batch, tokens), plan_.file));
  const compute::HeldLayers few = serving::held(b.deployment->model, parallel, 0, pool.slots_per_gpu, false);
  const auto counted = serving::step_buffers(*b.deployment, pool, pool.costs.front()->setup(), few);
  serving::CacheShare share = serving::cache_share(pool.section.kv, pool);
  share.buffers = serving::buffers_of(pool.section.kv, counted);
  const double room = serving::cache_room(share, pool.node.gpu, weights_);
  Memory out{double(weights_.v), double(share.buffers.v)};
  if (room > 0) out.capacity = token_.v == 0 ? INT64_MAX / 4 : std::int64_t(room / double(token_.v));
  return out;
}

double UnitModel::priced(Built& b, int decoding, double context, int tokens, double prompt) {
  const spec::Model& model = b.deployment->model;
  const int queries = 1 + b.deployment->section.speculation.drafts();
  serving::StepWork work;
  compute::Batch batch;
  if (decoding > 0) {
    compute::add_decode(batch, model, std::int64_t(context), queries, decoding);
    batch.outputs += decoding;
  }
  if (tokens > 0) {
    const int prompts = std::max(1, int(std::lround(tokens / std::max(1.0, prompt))));
    compute::add_prefill(batch, model, std::max(1, tokens / prompts), std::int64_t(plan_.load.input - plan_.load.fresh),
                         prompts);
    batch.outputs += prompts;
  }
  work.ranks.assign(std::size_t(one_.pools[0].data), batch);
  work.step = 1;
  b.cost->cost(work, b.times);
  return seconds(b.times.total());
}

double UnitModel::step(int decoding, double context, int tokens, double prompt, serving::OverlapKind overlap) {
  double gpu = priced(built(overlap, few_), decoding, context, tokens, prompt);
  if (few_ < all_) {
    const double more = priced(built(overlap, more_), decoding, context, tokens, prompt);
    gpu += (more - gpu) * double(all_ - few_) / double(more_ - few_);
  }
  const int requests = decoding + (tokens > 0 ? std::max(1, int(std::lround(tokens / std::max(1.0, prompt)))) : 0);
  return gpu + seconds(built(overlap, few_).deployment->pools.front()->engine.host.wait(requests, from_seconds(gpu)));
}
}  // namespace moesim::sizing
