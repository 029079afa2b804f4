#include "sizing/unit_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "serving/deployment/pool_buffers.h"
#include "serving/deployment/pool_choices.h"
#include "serving/deployment/pool_memory.h"
#include "spec/catalogue.h"
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

/// Whether the plan's model may have so few layers: what is said layer by layer may name one that is not among them.
bool may_have(const Plan& plan, int layers) {
  if (layers >= plan.model.layers || !plan.model_named) return false;
  try {
    (void)spec::read_model(Config::from_text("model: " + shortened_model(plan, layers), plan.file).at("model"));
  } catch (const ConfigError&) {
    return false;
  }
  return true;
}
serving::Parallel parallel_of(const PoolDesign& d) { return {d.tensor, d.data, d.pipeline, d.experts_tensor}; }
}  // namespace

struct UnitModel::Built {
  Config scenario;
  results::SpanLog spans;
  Engine engine;
  std::unique_ptr<serving::Deployment> deployment;
  std::unique_ptr<serving::StepModel> owned;
  std::map<serving::OverlapKind, std::unique_ptr<serving::LayeredCost>> costs;  // made as they are asked for
  serving::StepTimes times;
};

bool SharedParts::can_shorten(const Plan& plan, int few, int more) {
  std::call_once(asked_, [&] { shortens_ = may_have(plan, few) && may_have(plan, more); });
  return shortens_;
}

serving::ProductStore& SharedParts::products(const PricedNode& node, const std::string& engine) {
  const std::lock_guard lock(mutex_);
  return products_[{&node, engine}];
}

UnitModel::~UnitModel() = default;

UnitModel::UnitModel(const Plan& plan, const PricedNode& node, const std::string& engine, const PoolDesign& design,
                     SharedParts& shared)
    : plan_(plan), one_{&node, engine, {design}, {1}}, shared_(shared), all_(plan.model.layers) {
  const auto [few, more] = few_layers(plan.model);
  // Stages share all layers out.
  const bool shorter = design.pipeline == 1 && shared.can_shorten(plan, few, more);
  few_ = shorter ? few : all_;
  more_ = shorter ? more : all_;
  built_ = build();
  const serving::Deployment& d = *built_->deployment;
  const serving::BuiltPool& pool = *d.pools.front();
  const compute::LayerOptions& options = pool.costs.front()->setup().options;
  const bool drafts = d.section.speculation.kind == serving::DraftKind::mtp && design.role != serving::Role::prefill;
  for (int stage = 0; stage < design.pipeline; ++stage) {
    const compute::HeldLayers held = serving::held(plan.model, parallel_of(design), stage, pool.slots_per_gpu, drafts);
    stages_.push_back({compute::held_weights(plan.model, held, options.precision.linear, options),
                       compute::kv_bytes_per_token(plan.model, held, options)});
  }
}

std::unique_ptr<UnitModel::Built> UnitModel::build() {
  auto out = std::make_unique<Built>();
  Deployment d = one_;
  d.pools[0].batch = std::max(1, d.pools[0].batch);
  const std::string text = scenario_text(plan_, d, {.duration = 1_s, .bare = true}, more_ == all_ ? 0 : more_);
  out->scenario = Config::from_text(text, plan_.file);
  results::StudyRun run{out->scenario, plan_.seed, shared_.notes, out->spans};
  out->deployment = out->scenario.at("serving").placed([&] {
    return serving::build_deployment(
        run, out->engine,
        {&shared_.draws, {{std::string(name_of(d.pools[0].role)), &shared_.products(*d.node, d.engine)}}});
  });
  out->owned = out->deployment->shape.pools.front().cost(0);
  return out;
}

/// All else is as it was built: an overlap decides on the SMs that exchanges leave, and on the order of a step's
/// pieces.
std::unique_ptr<serving::LayeredCost> UnitModel::cost_under(serving::OverlapKind overlap) const {
  const serving::BuiltPool& pool = *built_->deployment->pools.front();
  serving::LayeredCost::Setup setup = pool.costs.front()->setup();
  serving::PoolSection section = pool.section;
  section.overlap = setup.overlap = overlap;
  const Config config = built_->scenario.at("serving").at("pools").items().front();
  const forward::StepSetup step =
      serving::setup_of(config, section, built_->deployment->model, pool.node.gpu, pool.engine);
  if (setup.experts) setup.share = setup.experts->share = step.beside;
  return std::make_unique<serving::LayeredCost>(std::move(setup));
}

UnitModel::Memory UnitModel::memory(int batch, int tokens) {
  if (const auto known = memory_.find({batch, tokens}); known != memory_.end()) return known->second;
  return memory_[{batch, tokens}] = counted(batch, tokens);
}

UnitModel::Memory UnitModel::counted(int batch, int tokens) {
  Built& b = *built_;
  serving::BuiltPool& pool = *b.deployment->pools.front();
  pool.batcher = serving::batchers().of_kind("chunked");
  pool.batcher->usual({batch, tokens});
  const compute::HeldLayers few =
      serving::held(b.deployment->model, parallel_of(one_.pools[0]), 0, pool.slots_per_gpu, false);
  const auto counted = serving::step_buffers(*b.deployment, pool, pool.costs.front()->setup(), few);
  serving::CacheShare share = serving::cache_share(pool.section.kv, pool);
  share.buffers = serving::buffers_of(pool.section.kv, counted);
  Memory out{0, double(share.buffers.v), INT64_MAX / 4};
  for (const auto& [weights, token] : stages_) {
    out.weights = std::max(out.weights, double(weights.v));
    const double room = serving::cache_room(share, pool.node.gpu, weights);
    if (room <= 0) out.capacity = 0;
    if (room > 0 && token.v > 0) out.capacity = std::min(out.capacity, std::int64_t(room / double(token.v)));
  }
  if (const std::int64_t asked = pool.section.kv.capacity; asked > 0) out.capacity = std::min(out.capacity, asked);
  return out;
}

double UnitModel::priced(serving::LayeredCost& cost, int layers, const serving::StepWork& work) {
  cost.cost_of_first(layers, work, built_->times);
  return seconds(built_->times.total());
}

double UnitModel::step(int decoding, double context, int tokens, double prompt, serving::OverlapKind overlap) {
  return answered({overlap, decoding, context, tokens, prompt, false});
}
double UnitModel::lone_step(int decoding, double context, int tokens, double prompt, serving::OverlapKind overlap) {
  return answered({overlap, decoding, context, tokens, prompt, true});
}

double UnitModel::answered(const Question& question) {
  if (const auto known = known_.find(question); known != known_.end()) return known->second;
  return known_[question] = computed(question);
}

double UnitModel::computed(const Question& question) {
  const auto [overlap, decoding, context, tokens, prompt, lone] = question;
  Built& b = *built_;
  std::unique_ptr<serving::LayeredCost>& cost = b.costs[overlap];
  if (!cost) cost = cost_under(overlap);
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
  work.ranks.assign(std::size_t(one_.pools[0].data), lone ? compute::Batch{} : batch);
  work.ranks.front() = batch;
  work.step = 1;
  double gpu = priced(*cost, few_, work);
  if (few_ < all_) gpu += (priced(*cost, more_, work) - gpu) * double(all_ - few_) / double(more_ - few_);
  return gpu + seconds(b.deployment->pools.front()->engine.host.wait(decoding + prompts, from_seconds(gpu)));
}
}  // namespace moesim::sizing
