#include "training/memory_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/named_enum.h"
#include "training/rank_holds.h"

namespace moesim::training {
namespace {
/// One or several keys changed.
struct Change {
  std::optional<RecomputeKind> recompute{};
  std::optional<int> zero{};
  std::string text() const {
    std::string out;
    if (recompute) out += fmt::format("training.recompute {}", name_of(*recompute));
    if (zero) out += fmt::format("{}training.parallel.zero {}", recompute ? " with " : "", *zero);
    return out;
  }
};

Bytes with(const TrainingPlan& plan, int slots, const Change& change) {
  TrainingPlan changed = plan;
  if (change.recompute) {
    changed.section.recompute = *change.recompute;
    changed.setup.options.recompute = recompute_of(*change.recompute);
  }
  if (change.zero) changed.section.parallel.zero = *change.zero;
  return fullest_gpu(changed, slots);
}

std::string size_text(Bytes bytes) { return fmt::format("{:.1f} GB", double(bytes.v) * 1e-9); }
}  // namespace

Bytes fullest_gpu(const TrainingPlan& plan, int slots) {
  Bytes most{};
  for (int rank = 0; rank < plan.schedule.ranks; ++rank) {
    const RankHolds holds = rank_holds(plan, rank, slots);
    const std::vector<compute::MemoryItem> activations = compute::held_activations(
        plan.model, holds.layers, plan.batch, holds.rows, holds.in_flight, plan.setup.options);
    most = std::max(most, compute::training_memory(plan.model, holds.layers, holds.state, plan.batch, holds.rows,
                                                   compute::sum_of(activations) + holds.other.bytes, plan.setup.options,
                                                   holds.buffers)
                              .total());
  }
  return most;
}

std::string what_would_fit(const TrainingPlan& plan, int slots) {
  const Bytes room = plan.cluster.node.gpu.usable();
  std::vector<Change> recomputations, shardings;
  for (const RecomputeKind kind : {RecomputeKind::selective, RecomputeKind::full})
    if (kind > plan.section.recompute) recomputations.push_back({kind, {}});
  const bool shared = plan.dense_copies() > 1 || plan.expert_copies() > 1;
  for (int zero = plan.section.parallel.zero + 1; shared && zero <= 3; ++zero) shardings.push_back({{}, zero});
  std::string fits;
  Change best;
  Bytes least{INT64_MAX};
  const auto look = [&](const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      const Bytes holds = with(plan, slots, change);
      if (holds < least) least = holds, best = change;
      if (holds > room) continue;
      fits += fmt::format("{}{} ({})", fits.empty() ? "" : ", or ", change.text(), size_text(holds));
      return;
    }
  };
  look(recomputations);
  look(shardings);
  if (!fits.empty()) return fits + " would fit";
  std::vector<Change> both;
  for (const Change& r : recomputations)
    for (const Change& s : shardings) both.push_back({r.recompute, s.zero});
  look(both);
  if (!fits.empty()) return fits + " would fit";
  if (least.v == INT64_MAX) return "nothing is left to recompute or to shard; more stages or GPUs would help";
  return fmt::format("not even {} would fit ({}); more stages or GPUs would help", best.text(), size_text(least));
}
}  // namespace moesim::training
