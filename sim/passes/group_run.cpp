#include "passes/group_run.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/interrupt.h"
#include "exchange/copy_shares.h"
#include "network/groups/delayed.h"

namespace moesim::passes {
namespace {
/// Sums over GPUs may outlast the clock where no single time does.
void add_up(Time& sum, Time more) {
  if (more.v > INT64_MAX - sum.v) beyond_the_clock();
  sum += more;
}
}  // namespace

GroupRun::GroupRun(const Setup& setup, const Phase& phase)
    : s_(setup),
      p_(phase),
      gpus_(std::size_t(setup.group.gpus())),
      gpu_times_(gpus_.size()),
      layer_times_(std::size_t(setup.model.layers)),
      steps_(std::size_t(phase.steps)),
      tokens_of_gpu_(gpus_.size(), std::int32_t(phase.batch.tokens)),
      moe_ordinal_(std::size_t(setup.model.layers), -1) {
  const spec::Model& model = s_.model;
  for (int g = 0; g < int(gpus_.size()); ++g) {
    gpus_[std::size_t(g)].compute = s_.spans.track(s_.group.gpu(g), "compute");
    gpus_[std::size_t(g)].communication = s_.spans.track(s_.group.gpu(g), "communication");
  }
  const spec::GroupShape shape = s_.group.shape();
  for (int layer : model.moe_layers()) {
    moe_ordinal_[std::size_t(layer)] = int(exchangers_.size());
    const exchange::ExpertMap& map = s_.placement.at(exchangers_.size());
    exchangers_.emplace_back(map, shape,
                             s_.copy_shares.empty()
                                 ? s_.replica_choice.make(map, shape)
                                 : exchange::fixed_share_choice(map, s_.copy_shares.at(exchangers_.size())));
  }
  if (model.moe) expert_tokens_.resize(exchangers_.size() * std::size_t(model.moe->experts));
  for (int layer = 0; layer < model.layers; ++layer) {
    Time before = part_time(layer, {compute::LayerPart::attention, compute::LayerPart::gate});
    if (layer == 0) before += outer_time(layer, compute::LayerPart::embedding);
    before_.push_back(before);
    shared_.push_back(part_time(layer, {compute::LayerPart::shared}));
    Time merge = part_time(layer, {compute::LayerPart::merge});
    if (layer + 1 == model.layers) merge += outer_time(layer, compute::LayerPart::head);
    merge_.push_back(merge);
  }
}

Time GroupRun::part_time(int layer, std::initializer_list<compute::LayerPart> parts) {
  operations_.clear();
  for (const compute::LayerPart part : compute::parts_of(s_.model, layer))
    if (std::ranges::find(parts, part) != parts.end())
      compute::append_operations(operations_, s_.model, layer, part, compute::Pass::forward, p_.batch, {},
                                 p_.setup.options);
  return compute::total_time(operations_, s_.costs, p_.setup.beside);
}

Time GroupRun::outer_time(int layer, compute::LayerPart part) {
  operations_.clear();
  compute::append_operations(operations_, s_.model, layer, part, compute::Pass::forward, p_.batch, {},
                             p_.setup.options);
  return compute::total_time(operations_, s_.costs, p_.setup.beside);
}

Time GroupRun::expert_time(const LayerPass& pass, int gpu, int layer) {
  const int slots = s_.placement.front().slots_per_gpu;
  rows_.clear();
  for (int i = 0; i < slots; ++i) rows_.push_back(pass.load.slot_rows[std::size_t(gpu * slots + i)]);
  std::int64_t sum = 0;
  for (std::int64_t r : rows_) sum += r;
  gpu_times_[std::size_t(gpu)].expert_rows += sum;
  if (sum == 0) return {};
  operations_.clear();
  compute::append_operations(operations_, s_.model, layer, compute::LayerPart::experts, compute::Pass::forward,
                             p_.batch, rows_, p_.setup.options);
  return compute::total_time(operations_, s_.costs, p_.setup.beside);
}

Time GroupRun::scaled(Time t, int gpu) const {
  const double speed = s_.speed[std::size_t(gpu)];
  return speed == 1 ? t : from_seconds(seconds(t) / speed);
}

void GroupRun::compute(int gpu, Time t, Label label, const char* name, Action then) {
  Engine& engine = s_.network.engine();
  const Gpu& g = gpus_[std::size_t(gpu)];
  gpu_times_[std::size_t(gpu)].busy += t;
  if (s_.spans.enabled()) s_.spans.add(g.compute, s_.spans.name(name), engine.now(), engine.now() + t, g.layer);
  engine.after(t, label, then);
}

bool GroupRun::run() {
  for (int g = 0; g < int(gpus_.size()) && p_.steps > 0; ++g) {
    gpus_[std::size_t(g)].step = 0;
    gpus_[std::size_t(g)].layer = 0;
    start_layer(g);
  }
  progress_.emplace(p_.name, std::uint64_t(p_.steps) * std::uint64_t(s_.model.layers), "layers");
  s_.network.engine().run();
  progress_.reset();
  check(passes_.empty() || interrupted(), "{} layers never finished", passes_.size());
  const double n = double(gpus_.size());
  for (LayerTime& t : layer_times_)
    for (Time* part : {&t.attention, &t.shared, &t.experts, &t.exchange}) part->v = std::llround(double(part->v) / n);
  for (Step& step : steps_) step.balancedness /= std::max(1.0, double(exchangers_.size()));
  return passes_.empty();
}

void GroupRun::start_layer(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  g.dispatched = g.shared_done = false;
  const Time now = s_.network.engine().now();
  if (g.layer == 0) steps_[std::size_t(g.step)].start = std::min(steps_[std::size_t(g.step)].start, now);
  const Time t = scaled(before_[std::size_t(g.layer)], gpu);
  add_up(layer_times_[std::size_t(g.layer)].attention, t);
  compute(gpu, t, "attention done", "attention", [this, gpu] { attention_done(gpu); });
}

void GroupRun::attention_done(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  const bool moe = moe_ordinal_[std::size_t(g.layer)] >= 0;
  const Time shared = scaled(shared_[std::size_t(g.layer)], gpu);
  add_up(layer_times_[std::size_t(g.layer)].shared, shared);
  if (moe) {
    LayerPass& pass = pass_of(g.step, g.layer);
    g.joined = pass.dispatch_joined = s_.network.engine().now();
    pass.dispatch->join(gpu);
  }
  // The shared expert (the whole FFN of a dense layer) needs no exchange, so it runs while the dispatch is under way.
  if (shared > Time{})
    return compute(gpu, shared, "shared expert done", moe ? "shared expert" : "ffn", [this, gpu] { shared_done(gpu); });
  shared_done(gpu);
}

void GroupRun::shared_done(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  if (moe_ordinal_[std::size_t(g.layer)] < 0) return layer_done(gpu);
  g.shared_done = true;
  if (!g.dispatched) {
    g.waiting = Wait::dispatch;
    g.since = s_.network.engine().now();
  }
  maybe_start_experts(gpu);
}

void GroupRun::dispatch_arrived(int gpu, int step, int layer) {
  Gpu& g = gpus_[std::size_t(gpu)];
  check(g.step == step && g.layer == layer, "GPU {} got a dispatch of another layer", gpu);
  g.dispatched = true;
  end_wait(gpu, pass_of(step, layer).dispatch_joined);
  maybe_start_experts(gpu);
}

void GroupRun::end_wait(int gpu, Time last_joined) {
  Gpu& g = gpus_[std::size_t(gpu)];
  GpuTime& times = gpu_times_[std::size_t(gpu)];
  const Time now = s_.network.engine().now();
  times.exchanging += now - g.joined;
  add_up(layer_times_[std::size_t(g.layer)].exchange, now - g.joined);
  if (s_.spans.enabled())
    s_.spans.add(g.communication, s_.spans.name(g.dispatched && g.waiting != Wait::combine ? "dispatch" : "combine"),
                 g.joined, now, g.layer);
  if (g.waiting == Wait::nothing) return;
  // Until the last GPU joins there is nothing the network could do faster: that part is the straggler's.
  const Time straggling = std::max(Time{}, std::min(now, last_joined) - g.since);
  times.straggling += straggling;
  times.exposed += now - g.since - straggling;
  g.waiting = Wait::nothing;
}

void GroupRun::maybe_start_experts(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  if (!g.dispatched || !g.shared_done) return;
  LayerPass& pass = pass_of(g.step, g.layer);
  const Time t = scaled(expert_time(pass, gpu, g.layer), gpu);
  LayerTime& layer = layer_times_[std::size_t(g.layer)];
  add_up(layer.experts, t);
  pass.slowest_experts = std::max(pass.slowest_experts, t);
  const Time now = s_.network.engine().now();
  if (s_.spans.enabled()) s_.spans.add_flow(g.communication, now, g.compute, now, s_.spans.name("rows"));
  compute(gpu, t, "experts done", "experts", [this, gpu] { experts_done(gpu); });
}

void GroupRun::experts_done(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  LayerPass& pass = pass_of(g.step, g.layer);
  g.waiting = Wait::combine;
  g.since = g.joined = pass.combine_joined = s_.network.engine().now();
  pass.combine->join(gpu);
}

void GroupRun::combine_arrived(int gpu) {
  Gpu& g = gpus_[std::size_t(gpu)];
  end_wait(gpu, pass_of(g.step, g.layer).combine_joined);
  const Time t = scaled(merge_[std::size_t(g.layer)], gpu);
  compute(gpu, t, "layer done", g.layer + 1 == s_.model.layers ? "merge and head" : "merge",
          [this, gpu] { layer_done(gpu); });
}

void GroupRun::layer_done(int gpu) {
  if (++layers_done_ % gpus_.size() == 0) progress_->at(layers_done_ / gpus_.size());
  Gpu& g = gpus_[std::size_t(gpu)];
  if (const auto it = passes_.find({g.step, g.layer}); it != passes_.end() && --it->second.left == 0) {
    layer_times_[std::size_t(g.layer)].slowest_experts += it->second.slowest_experts;
    passes_.erase(it);
  }
  const Time now = s_.network.engine().now();
  if (++g.layer == s_.model.layers) {
    steps_[std::size_t(g.step)].end = std::max(steps_[std::size_t(g.step)].end, now);
    g.layer = 0;
    if (interrupted()) return s_.network.engine().stop();
    if (++g.step == p_.steps) return;
  }
  start_layer(gpu);
}

GroupRun::LayerPass& GroupRun::pass_of(int step, int layer) {
  const auto [it, added] = passes_.try_emplace({step, layer});
  if (added) draw(it->second, step, layer);
  return it->second;
}

void GroupRun::draw(LayerPass& pass, int step, int layer) {
  const int ordinal = moe_ordinal_[std::size_t(layer)];
  p_.traffic->draw(layer, step, tokens_of_gpu_, traffic_);
  exchangers_[std::size_t(ordinal)](traffic_, pass.load);
  pass.left = s_.group.gpus();
  pass.dispatch = network::open_exchange(s_.network, s_.group, p_.setup.dispatch, pass.load,
                                         [this, step, layer](int gpu) { dispatch_arrived(gpu, step, layer); });
  if (const Time t = s_.replica_choice.solve_time(exchange::has_copies(s_.placement[std::size_t(ordinal)])); t.v > 0)
    pass.dispatch = network::delayed(s_.network.engine(), s_.group.gpus(), t, std::move(pass.dispatch));
  pass.combine = network::open_exchange(s_.network, s_.group, p_.setup.combine, pass.load,
                                        [this](int gpu) { combine_arrived(gpu); });

  const int experts = traffic_.gate.experts;
  for (int source = 0; source < traffic_.sources; ++source)
    for (int e = 0; e < experts; ++e)
      expert_tokens_[std::size_t(ordinal * experts + e)] += traffic_.rows[std::size_t(source * experts + e)];
  node_copies_ += double(exchange::node_visits(pass.load));
  for (std::int32_t n : traffic_.tokens) tokens_ += n;
  const int slots = s_.placement.front().slots_per_gpu;
  std::int64_t sum = 0, most = 0;
  for (int g = 0; g < s_.group.gpus(); ++g) {
    std::int64_t rows = 0;
    for (int i = 0; i < slots; ++i) rows += pass.load.slot_rows[std::size_t(g * slots + i)];
    sum += rows;
    most = std::max(most, rows);
  }
  const double balancedness = most > 0 ? double(sum) / double(s_.group.gpus()) / double(most) : 1;
  layer_times_[std::size_t(layer)].balancedness += balancedness;
  layer_times_[std::size_t(layer)].imbalance += 1 / balancedness - 1;
  steps_[std::size_t(step)].balancedness += balancedness;
}
}  // namespace moesim::passes
