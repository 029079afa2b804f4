#include "serving/report/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "serving/report/pool_figures.h"

namespace moesim::serving {
namespace {
/// `count` requests that decode after `context` tokens, `queries` tokens each.
void add_decoding(compute::Batch& batch, const spec::KeysRead& window, std::int64_t count, std::int64_t context,
                  std::int64_t queries) {
  const auto put = [&](compute::AttentionWork& work, std::int64_t seen) {
    work.sequences += count;
    work.queries += count * queries;
    work.keys += count * (seen + queries);
    work.longest = std::max(work.longest, seen + queries);
    work.pairs += double(count * queries) * (double(seen) + double(queries + 1) / 2);
  };
  if (count <= 0) return;
  put(batch.decode, context);
  if (window.bounded()) put(batch.window_decode, window.seen(std::int32_t(context)));
  batch.tokens += count * queries;
  batch.outputs += count * queries;
}

/// Prompts of `tokens` in all.
void add_prompts(compute::Batch& batch, const spec::KeysRead& window, double tokens, const MeanRequest& mean) {
  if (tokens < 1) return;
  const auto prompts = std::int64_t(std::max(1.0, std::round(tokens / mean.input)));
  const auto each = std::int64_t(std::max(1.0, tokens / double(prompts)));
  const double before = mean.cached + std::max(0.0, mean.input - double(each)) / 2;  // of a prompt cut into pieces
  compute::add_prefill(batch, window, each, std::int64_t(before), prompts);
  batch.outputs += prompts;
}

struct Filled {
  const PoolShape& shape;
  StepModel& model;
  const MeanRequest& mean;
  std::int64_t step;  // routing may change with it

  double seconds_of(double decoding, double prompt_tokens) const {
    const InstanceShape& s = shape.instance;
    compute::Batch batch;
    add_decoding(batch, s.window, std::int64_t(std::round(decoding / s.stages)), std::int64_t(mean.context), queries());
    add_prompts(batch, s.window, prompt_tokens / s.stages, mean);
    StepWork work;
    work.step = step;
    work.ranks.assign(std::size_t(ranks()), batch);
    if (s.domains > 1) work.domains.assign(std::size_t(s.domains), double(batch.tokens) * ranks() / double(s.domains));
    StepTimes times;
    model.cost(work, times);
    return seconds(times.total());
  }
  int queries() const { return 1 + shape.instance.speculation.drafts(); }
  int ranks() const { return model.ranks_there(shape.instance.ranks); }
  /// Requests of a rank that have a place: as the batcher allows, and as the cache holds so many tokens of each.
  double places(double tokens) const {
    const KvShape& kv = shape.instance.kv;
    const double held = std::ceil(double(kv.space(std::int64_t(tokens))) / kv.block) * kv.block;
    const double room = (1 - shape.instance.watermark) * double(kv.capacity);
    return std::max(1.0, std::min(double(shape.batcher->max_requests()), std::floor(room / std::max(1.0, held))));
  }
};
}  // namespace

double most_requests(const PoolShape& shape, StepModel& model, const MeanRequest& mean, std::int64_t step) {
  const Filled filled{shape, model, mean, step};
  const Batcher& batcher = *shape.batcher;
  const int ranks = filled.ranks(), stages = shape.instance.stages;
  const double middle = mean.cached + mean.input / 2;  // tokens before a prompt's token
  const bool prompts = shape.role != Role::decode, decodes = shape.role != Role::prefill && mean.output > 1;
  if (!decodes) {
    const double tokens =
        std::min(batcher.prompt_tokens(0, middle) * stages, filled.places(mean.cached + mean.input) * mean.input);
    return ranks * tokens / mean.input / filled.seconds_of(0, tokens);
  }
  // Tokens that a request gains in a step, and how many requests end in it for each that decodes.
  const double gain = shape.instance.speculation.tokens_per_step(), ends = gain / (mean.output - 1);
  double decoding = filled.places(mean.context);
  if (!prompts) return ranks * decoding * ends / filled.seconds_of(decoding, 0);
  if (!batcher.mixes()) {
    const double tokens = batcher.prompt_tokens(0, middle) * stages, needed = decoding * ends * mean.input;
    return ranks * decoding * ends / (filled.seconds_of(decoding, 0) + needed / tokens * filled.seconds_of(0, tokens));
  }
  const auto room = [&](double b) {
    return batcher.prompt_tokens(int(b / stages) * filled.queries(), middle) * stages;
  };
  while (decoding > 1 && decoding * ends * mean.input > room(decoding)) decoding = std::floor(decoding * 0.98);
  const double needed = decoding * ends * mean.input;
  return ranks * decoding * ends / filled.seconds_of(decoding, std::min(needed, std::max(1.0, room(decoding))));
}

double unevenness(const PoolShape& shape, StepModel& model, const MeanRequest& mean, std::int64_t step,
                  const PoolSums& sums) {
  const InstanceTotals& t = sums.instances;
  if (t.steps == 0 || (shape.role == Role::both && !shape.batcher->mixes())) return 1;
  const double each = double(t.steps) / shape.instance.stages * model.ranks_there(shape.instance.ranks);
  const double decoding = double(t.decode_tokens) / shape.instance.speculation.tokens_per_step() / each;
  const Filled filled{shape, model, mean, step};
  return std::max(1.0, sums.length / double(t.steps) / filled.seconds_of(decoding, double(t.prefill_tokens) / each));
}

namespace {
/// What the pool spends most of its time on, or "load" if it mostly waits for requests.
void report_bottleneck(results::Results& results, const Service& service, std::size_t pool) {
  const std::string scope = scope_of(service.fleet().pools()[pool]);
  const double utilisation = results.metric_value("utilisation", scope);
  const auto& parts = service.pool(pool).in.parts;
  const std::size_t most = std::size_t(std::ranges::max_element(parts) - parts.begin());
  const double share = utilisation * ratio(parts[most], std::accumulate(parts.begin(), parts.end(), 0.0));
  const bool idle = 1 - utilisation > share;
  results.metric("bottleneck", idle ? 1 - utilisation : share, "",
                 fmt::format("{},limit:{}", scope, idle ? "load" : name_of(StepPart(most))));
}

/// Of each pool; nothing of a batch, which has no rate.
std::vector<double> loads(const Service& service) {
  const Fleet& fleet = service.fleet();
  const Outcome& o = service.outcome();
  const Window& w = service.window();
  if (o.lengths.count == 0 || !(w.length() > 0 && w.arriving > 0)) return {};
  const double n = double(o.lengths.count), hit = ratio(double(o.begun_cached), double(o.begun_input));
  MeanRequest mean{.input = std::max(1.0, o.lengths.input / n * (1 - hit)),
                   .cached = o.lengths.input / n * hit,
                   .output = o.lengths.output / n,
                   .context = o.lengths.input / n};
  if (o.lengths.later > 0) mean.context = o.lengths.held / o.lengths.later;
  std::array<double, 3> most{};  // by role
  for (std::size_t p = 0; p < fleet.pools().size(); ++p) {
    const PoolShape& shape = fleet.pools()[p];
    const auto member = std::ranges::find_if(fleet, [&](const Fleet::Member& m) { return m.pool == p; });
    StepModel& model = member->instance->step_model();
    const std::int64_t step = member->instance->totals().steps;
    const PoolSums& sums = service.pool(p).in;
    most[std::size_t(shape.role)] += most_requests(shape, model, mean, step) /
                                     unevenness(shape, model, mean, step, sums) * sums.on_time / w.length();
  }
  std::vector<double> out;
  for (const PoolShape& shape : fleet.pools()) {
    // Prompts of requests that others decode are computed too.
    const double all = shape.role == Role::decode ? 1 : 1 + ratio(double(o.outside_arrived), double(o.arrived));
    out.push_back(ratio(double(w.flow.arrived) / w.arriving * all, most[std::size_t(shape.role)]));
  }
  return out;
}
}  // namespace

void report_load(results::Results& results, Service& service) {
  const Fleet& fleet = service.fleet();
  std::vector<double> load = loads(service);
  for (std::size_t p = 0; p < load.size(); ++p) results.metric("load", load[p], "", scope_of(fleet.pools()[p]));
  if (!load.empty()) results.metric("load", std::ranges::max(load), "");
  if (load.empty())  // then by the time in steps
    for (const PoolShape& pool : fleet.pools()) load.push_back(results.metric_value("utilisation", scope_of(pool)));
  report_bottleneck(results, service, std::size_t(std::ranges::max_element(load) - load.begin()));
}
}  // namespace moesim::serving
