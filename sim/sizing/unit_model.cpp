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
  results::SpanLog spans;
  Engine engine;
  std::unique_ptr<serving::Deployment> deployment;
  std::unique_ptr<serving::StepModel> owned;
  serving::LayeredCost* cost = nullptr;
  serving::StepTimes times;
};

UnitModel::~UnitModel() = default;

UnitModel::UnitModel(const Plan& plan, const PricedNode& node, const std::string& engine, const PoolDesign& design,
                     SharedParts& shared)
    : plan_(plan), one_{&node, engine, {design}, {1}}, shared_(shared), all_(plan.model.layers) {
  const auto [few, more] = few_layers(plan.model);
  const bool whole = more >= all_ || !plan.model_named;
  few_ = whole ? all_ : few;
  more_ = whole ? all_ : more;
  const serving::Deployment& d = *built(design.overlap).deployment;
  const serving::BuiltPool& pool = *d.pools.front();
  const compute::LayerOptions& options = pool.costs.front()->setup().options;
  const serving::Parallel parallel{design.tensor, design.data, 1, design.experts_tensor};
  const bool drafts = d.section.speculation.kind == serving::DraftKind::mtp && design.role != serving::Role::prefill;
  const compute::HeldLayers held = serving::held(plan.model, parallel, 0, pool.slots_per_gpu, drafts);
  weights_ = compute::held_weights(plan.model, held, options.precision.linear, options);
  token_ = compute::kv_bytes_per_token(plan.model, held, options);
}

std::unique_ptr<UnitModel::Built> UnitModel::build(serving::OverlapKind overlap) {
  auto out = std::make_unique<Built>();
  Deployment d = one_;
  d.pools[0].overlap = overlap;
  d.pools[0].batch = std::max(1, d.pools[0].batch);
  const std::string text = scenario_text(plan_, d, {.duration = 1_s, .bare = true}, more_ == all_ ? 0 : more_);
  out->scenario = Config::from_text(text, plan_.file);
  results::StudyRun run{out->scenario, plan_.seed, shared_.notes, out->spans};
  out->deployment = out->scenario.at("serving").placed([&] {
    return serving::build_deployment(run, out->engine, {&shared_.draws, {}});
  });
  out->owned = out->deployment->shape.pools.front().cost(0);
  out->cost = out->deployment->pools.front()->costs.front();
  return out;
}

UnitModel::Built& UnitModel::built(serving::OverlapKind overlap) {
  auto& at = built_[overlap];
  if (!at) at = build(overlap);
  return *at;
}

UnitModel::Memory UnitModel::memory(int batch, int tokens) {
  if (const auto known = memory_.find({batch, tokens}); known != memory_.end()) return known->second;
  return memory_[{batch, tokens}] = counted(batch, tokens);
}

UnitModel::Memory UnitModel::counted(int batch, int tokens) {
  Built& b = built(one_.pools[0].overlap);
  serving::BuiltPool& pool = *b.deployment->pools.front();
  const serving::Parallel parallel{one_.pools[0].tensor, one_.pools[0].data, 1, one_.pools[0].experts_tensor};
  pool.batcher = serving::batchers().of_kind("chunked");
  pool.batcher->usual({batch, tokens});
  const compute::HeldLayers few = serving::held(b.deployment->model, parallel, 0, pool.slots_per_gpu, false);
  const auto counted = serving::step_buffers(*b.deployment, pool, pool.costs.front()->setup(), few);
  serving::CacheShare share = serving::cache_share(pool.section.kv, pool);
  share.buffers = serving::buffers_of(pool.section.kv, counted);
  const double room = serving::cache_room(share, pool.node.gpu, weights_);
  Memory out{double(weights_.v), double(share.buffers.v)};
  if (room > 0) out.capacity = token_.v == 0 ? INT64_MAX / 4 : std::int64_t(room / double(token_.v));
  return out;
}

double UnitModel::priced(Built& b, int layers, const serving::StepWork& work) {
  b.cost->cost_of_first(layers, work, b.times);
  return seconds(b.times.total());
}

double UnitModel::step(int decoding, double context, int tokens, double prompt, serving::OverlapKind overlap) {
  const Question question{overlap, decoding, context, tokens, prompt};
  if (const auto known = known_.find(question); known != known_.end()) return known->second;
  return known_[question] = computed(question);
}

double UnitModel::computed(const Question& question) {
  const auto [overlap, decoding, context, tokens, prompt] = question;
  Built& b = built(overlap);
  const spec::Model& model = b.deployment->model;
  const int queries = 1 + b.deployment->section.speculation.drafts();
  compute::Batch batch;
  if (decoding > 0) {
    compute::add_decode(batch, model, std::int64_t(context), queries, decoding);
    batch.outputs += decoding;
  }
  int prompts = 0;
  if (tokens > 0) {
    prompts = std::max(1, int(std::lround(tokens / std::max(1.0, prompt))));
    compute::add_prefill(batch, model, std::max(1, tokens / prompts), std::int64_t(plan_.load.input - plan_.load.fresh),
                         prompts);
    batch.outputs += prompts;
  }
  serving::StepWork work;
  work.ranks.assign(std::size_t(one_.pools[0].data), batch);
  work.step = 1;
  double gpu = priced(b, few_, work);
  if (few_ < all_) gpu += (priced(b, more_, work) - gpu) * double(all_ - few_) / double(more_ - few_);
  return gpu + seconds(b.deployment->pools.front()->engine.host.wait(decoding + prompts, from_seconds(gpu)));
}
}  // namespace moesim::sizing
