#include "sizing/steady.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace moesim::sizing {
namespace {
// assumed: of its own rate an instance is loaded to at most this before queues grow long; simulation decides
constexpr double kLoaded = 0.85;

/// Shortest of the targets whose names begin so, and of `each`.
double shortest(const Targets& t, std::string_view begins, Time each) {
  double out = each.v > 0 && t.share > 0 ? seconds(each) : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < kLatencies.size(); ++i)
    if (t.latency[i] && kLatencies[i].starts_with(begins)) out = std::min(out, seconds(*t.latency[i]));
  return out;
}

Steady decode(const Plan& plan, UnitModel& model, const PoolDesign& d, const UnitModel::Memory& memory) {
  Steady out;
  const double context = plan.load.input + plan.load.output / 2;
  const double fits = double(memory.capacity) / context;
  const int batch = int(std::min<double>(d.batch, fits));
  if (batch < 1)
    return {.refused = fmt::format("memory: a rank's {} tokens of KV cache do not hold a request of {:.0f}",
                                   memory.capacity, context)};
  out.step = model.step(batch, context, 0, 0, d.overlap);
  out.tpot = out.step / plan.tokens_per_step;
  out.rate = batch * d.data / (std::max(1.0, plan.load.output - 1) * out.tpot);
  return out;
}

/// A step computes what its batch allows and its cache has room for.
Steady prefill(const Plan& plan, UnitModel& model, const PoolDesign& d, const UnitModel::Memory& memory) {
  Steady out;
  const double input = plan.load.fresh;
  const int tokens = int(std::min<std::int64_t>(d.tokens, memory.capacity));
  out.step = model.step(0, 0, tokens, std::min<double>(input, tokens), d.overlap);
  out.rate = kLoaded * (d.data * tokens / (input * out.step));
  out.ttft = out.step * (std::ceil(input / tokens) + 0.5);
  return out;
}

/// Every step decodes the batch and computes as much of new prompts as keeps it full.
Steady both(const Plan& plan, UnitModel& model, const PoolDesign& d, const UnitModel::Memory& memory) {
  Steady out;
  const double input = plan.load.fresh, output = std::max(1.0, plan.load.output);
  const double context = plan.load.input + output / 2;
  const int batch = int(std::min<double>(d.batch, double(memory.capacity) / context));
  if (batch < 1)
    return {.refused = fmt::format("memory: a rank's {} tokens of KV cache do not hold a request of {:.0f}",
                                   memory.capacity, context)};
  const double per_step = plan.tokens_per_step;
  const int room = d.tokens - batch;
  if (room < 1) return {.refused = fmt::format("batch: {} tokens a step leave no room for prompts", d.tokens)};
  const int prompts = std::clamp(int(std::lround(batch * per_step * input / output)), 1, room);
  out.step = model.step(batch, context, prompts, input, d.overlap);
  out.tpot = out.step / per_step;
  out.rate = 0.95 * (d.data * std::min(batch * per_step / output, prompts / input) / out.step);
  out.ttft = out.step * (std::ceil(input / room) + 0.5);
  return out;
}
}  // namespace

double ttft_limit(const Targets& t) { return shortest(t, "ttft", t.ttft); }
double tpot_limit(const Targets& t) { return std::min(shortest(t, "tpot", t.tpot), shortest(t, "itl", {})); }

Steady steady_of(const Plan& plan, UnitModel& model, const PoolDesign& d) {
  const UnitModel::Memory memory = model.memory(d.batch, d.tokens);
  if (memory.capacity <= 0)
    return {.refused = fmt::format("memory: {:.1f} GB of weights and {:.1f} GB of buffers a GPU", memory.weights * 1e-9,
                                   memory.buffers * 1e-9)};
  // What no rank can hold is refused by all of them, and so misses every target.
  const bool prompts = d.role == serving::Role::prefill;
  if (const std::int64_t longest = prompts ? plan.load.longest_input : plan.load.longest; memory.capacity < longest)
    return {.refused = fmt::format("memory: a rank's {} tokens of KV cache do not hold the load's longest {} of {}",
                                   memory.capacity, prompts ? "prompt" : "request", longest)};
  Steady out = d.role == serving::Role::decode    ? decode(plan, model, d, memory)
               : d.role == serving::Role::prefill ? prefill(plan, model, d, memory)
                                                  : both(plan, model, d, memory);
  if (!out.refused.empty()) return out;
  const Targets& t = plan.section.targets;
  // A batch that is too slow when full may serve when it is not: smaller ones are candidates of their own.
  if (d.role != serving::Role::prefill && out.tpot > tpot_limit(t))
    out.refused = fmt::format("latency: a token takes {:.1f} ms of {:.1f} ms", out.tpot * 1e3, tpot_limit(t) * 1e3);
  if (d.role != serving::Role::decode && out.ttft > ttft_limit(t))
    out.refused = fmt::format("latency: a first token takes {:.2f} s of {:.2f} s", out.ttft, ttft_limit(t));
  return out;
}
}  // namespace moesim::sizing
