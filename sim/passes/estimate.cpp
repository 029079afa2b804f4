// What a passes study takes, from its section.
#include <fmt/format.h>

#include <algorithm>

#include "passes/passes.h"

namespace moesim::passes {
namespace {
// Measured on catalogue scenarios, x86-64, release build: the model, cluster, kernels and program itself; one span with
// its name's share and its line of JSON; an exchanger's tables a source and slot, an exchange a pair of GPUs (rows and
// tokens, exchange_load.h, and as much for its rendezvous).
constexpr double kProgram = 20e6, kSpan = 40 + 160, kSourceSlot = 4, kPair = 2 * 2 * 4;
// Measured: quickstart's replay, 100 decode steps.
constexpr double kEventSeconds = 5e-6, kStart = 0.2;
}  // namespace

PassCounts counts_of(const Config& scenario, const PassesInput& in) {
  PassCounts out;
  out.gpus = in.shape.expert_parallel;
  out.layers = in.model.layers;
  out.moe_layers = in.model.moe ? double(in.model.moe_layers().size()) : 0;
  out.experts = in.model.moe ? in.model.moe->experts : 0;
  out.shared = in.model.moe && in.model.moe->shared_experts > 0;
  out.steps = double(in.shape.prefill.steps) + in.shape.decode.steps;
  const Config network = scenario.at_or_empty("network");
  out.flows = (network.is_scalar() ? network.text() : network.has("kind") ? network.at("kind").text() : "") == "fluid";
  return out;
}

Estimate estimate(const PassCounts& n, bool spans) {
  Estimate out;
  // A GPU's layer: attention, shared expert, experts and merge end, dispatch and combine arrive; a dense one: attention
  // and FFN end.  Flows: each pair of GPUs arrives, too.
  const double moe = (n.shared ? 6 : 5) + (n.flows ? 2 * std::max(0.0, n.gpus - 1) : 0);
  const double dense = n.layers - n.moe_layers;
  out.events = n.steps * n.gpus * (moe * n.moe_layers + 2 * dense);
  out.events_key = "passes.decode.steps";
  out.seconds = kStart + out.events * kEventSeconds;
  out.hold("model", "the program, the model and the cluster", kProgram);
  out.hold("passes.expert_parallel", rounded_count(n.gpus) + " GPUs that exchange rows",
           n.moe_layers * n.gpus * n.experts * kSourceSlot + n.gpus * n.gpus * kPair);
  out.hold("passes.decode.steps", rounded_count(n.steps) + " steps", n.steps * 32);
  out.spans = {out.events, n.gpus, 0};
  if (spans) out.hold("passes.decode.steps", rounded_count(out.events) + " spans of the timeline", out.events * kSpan);
  return out;
}

Estimate estimate_passes(const Config& scenario, bool spans) {
  return estimate(counts_of(scenario, read_input(scenario)), spans);
}
}  // namespace moesim::passes
