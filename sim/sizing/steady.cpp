#include "sizing/steady.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "results/summary.h"

namespace moesim::sizing {
namespace {
using results::pretty;

// assumed: of its own rate an instance is loaded to at most this before queues grow long; simulation decides
constexpr double kLoaded = 0.85;
// Draws of experts in closed form and in simulation agree within 2 % (serving/step/README.md): what is slower by less
// is not refused unseen.
constexpr double kDrawn = 1.02;

/// Shortest of the targets whose names begin so, and of `each`.
double shortest(const Targets& t, std::string_view begins, Time each) {
  double out = each.v > 0 && t.share > 0 ? seconds(each) : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < kLatencies.size(); ++i)
    if (t.latency[i] && kLatencies[i].starts_with(begins)) out = std::min(out, seconds(*t.latency[i]));
  return out;
}

/// Requests of a rank that its batch allows and its cache has room for.
int full_batch(const Plan& plan, const PoolDesign& d, const UnitModel::Memory& memory) {
  const double context = plan.load.input + plan.load.output / 2;
  return int(std::min<double>(d.batch, double(memory.capacity) / context));
}
int prompt_tokens(const PoolDesign& d, const UnitModel::Memory& memory) {
  return int(std::min<std::int64_t>(d.tokens, memory.capacity));
}

/// Requests of one of the batches that are under way in the stages of a pipeline.
int of_stage(const PoolDesign& d, int batch) { return (batch + d.pipeline - 1) / d.pipeline; }

Steady decode(const Plan& plan, UnitModel& model, const PoolDesign& d, int batch) {
  Steady out;
  const double context = plan.load.input + plan.load.output / 2;
  out.step = model.step(of_stage(d, batch), context, 0, 0, d.overlap);
  out.tpot = out.step / d.variant.tokens_per_step;
  out.rate = batch * d.data / (std::max(1.0, plan.load.output - 1) * out.tpot);
  return out;
}

Steady prefill(const Plan& plan, UnitModel& model, const PoolDesign& d, int tokens) {
  Steady out;
  const double input = plan.load.fresh;
  out.step = model.step(0, 0, tokens, std::min<double>(input, tokens), d.overlap);
  out.rate = kLoaded * (d.pipeline * d.data * tokens / (input * out.step));
  out.ttft = out.step * (std::ceil(input / tokens) + 0.5);
  return out;
}

/// Every step decodes the batch and computes as much of new prompts as keeps it full.
Steady both(const Plan& plan, UnitModel& model, const PoolDesign& d, int batch) {
  Steady out;
  const double input = plan.load.fresh, output = std::max(1.0, plan.load.output);
  const double context = plan.load.input + output / 2;
  const double per_step = d.variant.tokens_per_step;
  const int here = of_stage(d, batch), room = d.tokens - here;
  if (room < 1) return {.refused = fmt::format("batch: {} tokens a step leave no room for prompts", d.tokens)};
  const int prompts = std::clamp(int(std::lround(here * per_step * input / output)), 1, room);
  out.step = model.step(here, context, prompts, input, d.overlap);
  out.tpot = out.step / per_step;
  out.rate = 0.95 * (d.data * std::min(batch * per_step / output, d.pipeline * prompts / input) / out.step);
  out.ttft = out.step * (std::ceil(input / room) + 0.5);
  return out;
}
/// What misses its latency's target by more than `slack` times, and by how much; "": nothing does.
std::string too_slow(const Targets& t, const PoolDesign& d, const Steady& s, double slack = 1) {
  if (d.role != serving::Role::decode && s.ttft > slack * ttft_limit(t))
    return fmt::format("latency: a first token takes {} of {}", pretty(s.ttft, "s"), pretty(ttft_limit(t), "s"));
  if (d.role != serving::Role::prefill && s.tpot > slack * tpot_limit(t))
    return fmt::format("latency: a token takes {} of {}", pretty(s.tpot, "s"), pretty(tpot_limit(t), "s"));
  return "";
}

/// A request that is alone waits for nobody, and no prompt lengthens the steps of its answer: nothing is faster.
void take_alone(const Plan& plan, UnitModel& model, const PoolDesign& d, int tokens, Steady& out) {
  const double input = plan.load.fresh, context = plan.load.input + plan.load.output / 2;
  if (d.role != serving::Role::prefill)
    out.tpot = std::min(out.tpot, model.lone_step(1, context, 0, 0, d.overlap) / d.variant.tokens_per_step);
  if (d.role == serving::Role::decode) return;
  const int piece = std::clamp(int(input), 1, std::max(1, tokens));
  out.ttft = std::min(out.ttft, model.lone_step(0, 0, piece, std::min<double>(input, piece), d.overlap) *
                                    std::ceil(input / std::max(1, tokens)));
}

/// What is too slow when full serves when it is not: with the most requests of a step (or tokens of prompts) that the
/// targets allow, down to one request alone, which nothing undercuts.
Steady within_targets(const Plan& plan, UnitModel& model, const PoolDesign& d, int full) {
  const bool prompts = d.role == serving::Role::prefill;
  const auto at = [&](int size) {
    return prompts                           ? prefill(plan, model, d, size)
           : d.role == serving::Role::decode ? decode(plan, model, d, size)
                                             : both(plan, model, d, size);
  };
  const auto slow = [&](const Steady& s) { return !too_slow(plan.section.targets, d, s).empty(); };
  Steady out = at(full);
  out.most = out.rate;
  if (!out.refused.empty() || !slow(out)) return out;
  const double most = out.rate;
  int low = prompts ? std::clamp(int(plan.load.fresh), 1, full) : 1, high = full;
  out = at(low);
  if (slow(out)) take_alone(plan, model, d, prompts ? full : d.tokens, out);
  // To an eighth: simulation says more than a finer figure would.
  while (!slow(out) && high - low > std::max(1, low / 8)) {
    const Steady middle = at(low + (high - low) / 2);
    (slow(middle) ? high : low) = low + (high - low) / 2;
    if (!slow(middle)) out = middle;
  }
  out.most = std::max(most, out.rate);
  return out;
}
}  // namespace

Loaded loaded(const Plan& plan, const PoolDesign& d, const Steady& s, double rate, int instances) {
  const double each = std::min(rate / instances, s.rate);
  Loaded out;
  if (d.role != serving::Role::prefill) {
    // Steps grow with the requests in them, n = rate x length x tpot (Little), about linearly from one to s.rate's.
    const double held = std::max(1.0, plan.load.output) / d.data, full = std::max(1.0, s.rate * held * s.tpot);
    const double slope = full > 1 ? std::max(0.0, s.tpot - s.alone) / (full - 1) : 0;
    const double rest = 1 - slope * each * held;
    out.tpot = rest > 0 ? std::clamp((s.alone - slope) / rest, std::min(s.alone, s.tpot), s.tpot) : s.tpot;
    out.used = out.tpot / tpot_limit(plan.section.targets);
  }
  if (d.role != serving::Role::decode) {
    // Whoever comes waits for steps of others as in a queue with equal services (M/D/1).
    const double busy = kLoaded * each / s.rate;
    out.used = std::max(out.used, (s.ttft + s.step * busy / (2 * (1 - busy))) / ttft_limit(plan.section.targets));
  }
  return out;
}

double ttft_limit(const Targets& t) { return shortest(t, "ttft", t.ttft); }
double tpot_limit(const Targets& t) { return std::min(shortest(t, "tpot", t.tpot), shortest(t, "itl", {})); }

Steady steady_of(const Plan& plan, UnitModel& model, const PoolDesign& d) {
  const UnitModel::Memory memory = model.memory(d.batch, d.tokens);
  if (memory.capacity <= 0)
    return {.refused = fmt::format("memory: {:.1f} GB of weights and {:.1f} GB of buffers a GPU", memory.weights * 1e-9,
                                   memory.buffers * 1e-9)};
  // What no rank can hold is refused by all of them, and so misses every target.
  const bool prompts = d.role == serving::Role::prefill;
  if (const std::int64_t longest = prompts ? plan.load.longest_input : plan.load.longest; memory.capacity < longest) {
    Steady out{.refused = fmt::format("memory: a rank's {} tokens of KV cache do not hold the load's longest {} of {}",
                                      memory.capacity, prompts ? "prompt" : "request", longest)};
    out.holds = memory.capacity;
    return out;
  }
  const int full = prompts ? prompt_tokens(d, memory) : full_batch(plan, d, memory);
  if (full < 1)
    return {.refused = fmt::format("memory: a rank's {} tokens of KV cache do not hold a request of {:.0f}",
                                   memory.capacity, plan.load.input + plan.load.output / 2)};
  Steady out = within_targets(plan, model, d, full);
  if (!prompts && out.refused.empty())
    out.alone = model.step(1, plan.load.input + plan.load.output / 2, 0, 0, d.overlap) / d.variant.tokens_per_step;
  if (out.refused.empty()) out.refused = too_slow(plan.section.targets, d, out, kDrawn);
  return out;
}
}  // namespace moesim::sizing
