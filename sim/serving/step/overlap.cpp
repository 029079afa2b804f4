#include "serving/step/overlap.h"

#include <algorithm>

#include "core/check.h"

namespace moesim::serving {
namespace {
using enum Piece;
constexpr OverlapStep kNone[] = {{attention_in}, {attention_core}, {shared}, {dispatch}, {experts}, {combine}};
constexpr OverlapStep kSharedExpert[] = {{attention_in}, {attention_core}, {dispatch}, {shared}, {experts}, {combine}};
// ATTN-0, SHARED-1 of the layer before, ATTN-1, MLP-0, MLP-1, SHARED-0; beside them run COMBINE-1 of the layer before,
// DISPATCH-0, DISPATCH-1, COMBINE-0.  Source: DeepSeek's published prefill profile (profile-data, 2025).
constexpr OverlapStep kTwoBatch[] = {{attention_in, 0, 0}, {attention_core, 0, 0}, {dispatch, 0, 0}, {shared, 1, -1},
                                     {attention_in, 1, 0}, {attention_core, 1, 0}, {dispatch, 1, 0}, {experts, 0, 0},
                                     {combine, 0, 0},      {experts, 1, 0},        {combine, 1, 0},  {shared, 0, 0}};
// Each micro-batch: attention core and shared expert, wait for dispatch, experts, wait for combine, attention
// projections of the next layer; the other is half a layer behind, so that each wait lies beside the other's work.
// Source: DeepSeek's open-source week, day 6 (2025): a five-stage pipeline with attention cut in two.
constexpr OverlapStep kFiveStage[] = {
    {attention_core, 0, 0}, {dispatch, 0, 0}, {shared, 0, 0}, {attention_in, 1, 0}, {experts, 0, 0}, {combine, 0, 0},
    {attention_core, 1, 0}, {dispatch, 1, 0}, {shared, 1, 0}, {attention_in, 0, 1}, {experts, 1, 0}, {combine, 1, 0}};
// Single-batch overlap: the shared expert runs beside the dispatch, and combine sends an expert's rows when its down
// product is done.  Source: SGLang pull request 9660 (2025).  Gate and up are two of an expert's three matrices, so the
// first results are there after two thirds of its time.
constexpr double kDownFrom = 2.0 / 3;
// Four stages: attention; the dispatch beside the dense network and the next layer's projections; experts; the combine
// beside the next layer's attention core and its dense network.  Source: LongCat-Flash technical report, arXiv
// 2509.01322, section 4.1.1 (single-batch overlap).
constexpr OverlapStep kShortcut[] = {{attention_in},       {attention_core}, {dispatch},      {shared},
                                     {attention_in, 0, 1}, {experts},        {combine},       {attention_core, 0, 1},
                                     {shared, 0, 1},       {dispatch, 0, 1}, {experts, 0, 1}, {combine, 0, 1}};
constexpr OverlapPlan kPlans[] = {{1, 0, kNone},
                                  {2, 0, kTwoBatch},
                                  {2, -1, kFiveStage},
                                  {1, 0, kSharedExpert},
                                  {1, 0, kSharedExpert, kDownFrom},
                                  {1, 0, kShortcut, 1, 2}};

/// A layer of one batch that nothing is exchanged in: its pieces follow each other.
bool is_plain(const OverlapPlan& plan, const LayerPieces& l) {
  return plan.micro_batches == 1 && plan.layers == 1 && l[dispatch].v == 0 && l[experts].v == 0 && l[combine].v == 0;
}

/// Its time, added to the books in the order of its pieces.
Time plain_layer(const LayerPieces& l, std::array<double, kStepParts>& parts) {
  const auto add = [&](StepPart part, Time t) { parts[std::size_t(part)] += seconds(t); };
  add(StepPart::attention, l[attention_in]);
  add(StepPart::attention, l[attention_core] - l.gate - l.tensor_core);
  add(StepPart::gate, l.gate);
  add(StepPart::tensor, l.tensor_core);
  add(StepPart::shared, l[shared] - l.tensor_shared);
  add(StepPart::tensor, l.tensor_shared);
  return l[attention_in] + l[attention_core] + l[shared];
}

/// The state of the walk: when each stream is free, and when the pieces of each micro-batch were done.
struct Walk {
  Time compute{}, network{};
  std::array<Time, 2> dispatched{}, results{}, combined{};
};
}  // namespace

const OverlapPlan& overlap_plan(OverlapKind kind) { return kPlans[std::size_t(kind)]; }

Time overlapped_time(const OverlapPlan& plan, std::span<const LayerPieces> layers,
                     std::array<double, kStepParts>& parts, std::span<double> exposed) {
  const int count = int(layers.size()) / plan.micro_batches;
  check(layers.size() == std::size_t(count * plan.micro_batches), "micro-batches of a layer are missing");
  Walk w;
  const auto add = [&](StepPart part, Time t) { parts[std::size_t(part)] += seconds(t); };
  const auto wait = [&](Time until, StepPart part, int layer) {
    if (until <= w.compute) return;
    add(part, until - w.compute);
    if (!exposed.empty()) exposed[std::size_t(layer)] += seconds(until - w.compute);
    w.compute = until;
  };
  for (int round = plan.first_round; round <= count; round += plan.layers) {
    if (round >= 0 && round < count && is_plain(plan, layers[std::size_t(round)])) {
      wait(w.combined[0], StepPart::combine, std::max(0, round - 1));
      w.combined[0] = w.compute += plain_layer(layers[std::size_t(round)], parts);
      continue;
    }
    for (const OverlapStep& step : plan.round) {
      const int layer = round + step.layer;
      if (layer < 0 || layer >= count) continue;
      const LayerPieces& l = layers[std::size_t(layer * plan.micro_batches + step.micro)];
      const std::size_t m = std::size_t(step.micro);
      const Time t = l[step.piece];
      switch (step.piece) {
        case attention_in:
          wait(w.combined[m], StepPart::combine, std::max(0, layer - 1));
          add(StepPart::attention, t);
          break;
        case attention_core:
          add(StepPart::attention, t - l.gate - l.tensor_core);
          add(StepPart::gate, l.gate);
          add(StepPart::tensor, l.tensor_core);
          break;
        case shared:
          add(StepPart::shared, t - l.tensor_shared);
          add(StepPart::tensor, l.tensor_shared);
          break;
        case dispatch:
          w.dispatched[m] = w.compute;
          if (t.v > 0) w.dispatched[m] = w.network = std::max(w.network, w.compute) + t;
          continue;
        case experts:
          wait(w.dispatched[m], StepPart::dispatch, layer);
          w.results[m] =
              plan.results_from < 1 ? w.compute + from_seconds(seconds(t) * plan.results_from) : w.compute + t;
          add(StepPart::experts, t);
          break;
        case combine:
          w.combined[m] = std::max(w.combined[m], w.compute);  // the last results leave when all are there
          if (t.v > 0) w.combined[m] = w.network = std::max(w.compute, std::max(w.network, w.results[m]) + t);
          continue;
      }
      w.compute += t;
    }
  }
  for (const Time t : w.combined) wait(t, StepPart::combine, count - 1);
  return w.compute;
}
}  // namespace moesim::serving
