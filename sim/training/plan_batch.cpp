// The work of one micro-batch, and what a model's FLOPs are for it.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/named_enum.h"
#include "spec/count.h"
#include "training/plan.h"

namespace moesim::training {

void check_documents(const Config& training, const TrainingSection& s) {
  if (s.documents.empty()) return;
  const Config at = training.at("documents");
  for (const int tokens : s.documents)
    if (tokens < 1) at.fail(fmt::format("expected at least 1 token a document, got {}", tokens));
  const std::int64_t sum = std::accumulate(s.documents.begin(), s.documents.end(), std::int64_t{0});
  if (sum != s.sequence)
    at.fail(
        fmt::format("{} documents of {} tokens together do not fill a sequence of {}; what is left over is a "
                    "document of its own",
                    s.documents.size(), sum, s.sequence));
  if (s.documents.size() == 1) at.fail("one document is the whole sequence, so nothing is packed; leave it out");
  if (s.parallel.context > 1)
    at.fail("has no costs for GPUs that share a sequence, which would cut its documents; parallel.context 1 would do");
}

compute::Batch micro_batch_of(const TrainingPlan& plan) {
  const TrainingSection& s = plan.section;
  if (!s.documents.empty()) {
    compute::Batch packed;
    for (const int tokens : s.documents) compute::add_prefill(packed, plan.model, tokens, 0, s.micro_batch);
    packed.outputs = packed.tokens;
    return packed;
  }
  compute::Batch out = compute::training_batch(plan.model, s.sequence, s.micro_batch);
  const int parts = s.parallel.context;
  out.tokens /= parts;
  out.outputs /= parts;
  for (compute::AttentionWork* work : {&out.prefill, &out.window_prefill}) {
    work->queries /= parts;
    work->pairs /= parts;
    work->tiles /= parts;
    work->tiled_pairs /= parts;
    work->parts = parts;
  }
  return out;
}

Flops flops_of_token(const TrainingPlan& plan, bool causal) {
  const TrainingSection& s = plan.section;
  if (s.documents.empty()) return spec::training_flops(plan.model, s.sequence, causal);
  double sum = 0;
  for (const int tokens : s.documents) sum += spec::training_flops(plan.model, tokens, causal).v * tokens;
  return {sum / s.sequence};
}

namespace {
/// What `key` says; throws ConfigError for a word without effect.
bool is_beside(const Config& training, std::string_view key, schedule::Turn turn, bool pairs,
               const std::string& no_effect) {
  if (turn == schedule::Turn::automatic) return pairs;
  if (!no_effect.empty()) training.at(key).fail(no_effect);
  return turn == schedule::Turn::beside;
}
}  // namespace

schedule::Beside beside_of(const Config& training, const TrainingPlan& plan) {
  const bool pairs = schedule::runs(plan.schedule, schedule::Op::overlapped);
  const std::string no_exchange =
      !plan.model.moe     ? fmt::format("{} is a dense model: it has no exchanges", plan.model.name)
      : plan.members == 1 ? "there is no exchange that it could be beside: parallel.expert is 1"
                          : std::string();
  const std::string no_shared = no_exchange.empty() && plan.model.moe->shared_experts == 0
                                    ? fmt::format("{} has no shared experts", plan.model.name)
                                    : no_exchange;
  const std::string no_backward =
      no_exchange.empty() && !schedule::runs(plan.schedule, schedule::Op::backward)
          ? fmt::format("{} gives gradients of weights passes of their own", plan.schedule.kind)
          : no_exchange;
  const TrainingSection& s = plan.section;
  return {is_beside(training, "shared_expert", s.shared_expert, pairs, no_shared),
          is_beside(training, "weight_gradients", s.weight_gradients, pairs, no_backward)};
}
}  // namespace moesim::training
