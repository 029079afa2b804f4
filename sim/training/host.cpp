// What launching a piece's kernels takes of the host.  Not counted: launches of exchanges and collectives, the limit of
// the launch queue, waiting in point-to-point calls.
#include <algorithm>

#include "training/pieces.h"

namespace moesim::training {
namespace {
// An eager operator: the forward of torch.nn.Linear in BF16, on the CPU (TransformerEngine, issue 2053, 2025-08).
constexpr double kBesideXeon = 13.48e-6;   // DGX H100, Xeon 8480C
constexpr double kBesideGrace = 37.08e-6;  // GB200
// One more launch from within an operator: 64 experts' forward took 1.2 ms of a Grace CPU for 128 products
// (TransformerEngine, issue 2897, 2026-04), 9.4 us each against 37.08 us.
constexpr double kLaunch = 0.25;
// Scans are chains of Triton kernels, launched from Python (flash-linear-attention, ops/gated_delta_rule/chunk.py:
// chunk_local_cumsum, chunk_scaled_dot_kkt, solve_tril, recompute_w_u, chunk_fwd_h, chunk_fwd_o; backward
// recompute_w_u, chunk_fwd_h, bwd_dv_local, bwd_dhu, bwd_dqkwg, prepare_wy_repr_bwd, two sums and chunk_local_cumsum).
constexpr int kScanKernels = 6, kScanBackwardKernels = 9;

int launches_of(const compute::Kernel& kernel) {
  if (const auto* chain = std::get_if<compute::SmallChain>(&kernel)) return chain->count;
  if (const auto* scan = std::get_if<compute::StateScan>(&kernel))
    return scan->backward ? kScanBackwardKernels : kScanKernels;
  return 1;
}
}  // namespace

Time operator_time(const TrainingPlan& plan) {
  if (plan.section.operator_time) return *plan.section.operator_time;
  const std::string& gpu = plan.cluster.node.gpu.name;
  return from_seconds(gpu.starts_with("gb") ? kBesideGrace : kBesideXeon);
}

Time host_time(const TrainingPlan& plan, schedule::Piece piece, std::span<const compute::Operation> operations) {
  if (operations.empty()) return {};
  const bool attention = piece == schedule::Piece::attention || piece == schedule::Piece::attention_back ||
                         piece == schedule::Piece::attention_weight;
  double count = 0;
  if (plan.section.graphs == Graphs::whole || (plan.section.graphs == Graphs::attention && attention))
    count = 1;  // its graph's
  else
    for (const compute::Operation& o : operations) {
      count += launches_of(o.kernel) * (o.within ? kLaunch : 1);
      const auto* grouped = std::get_if<compute::GroupedGemm>(&o.kernel);
      if (grouped != nullptr && plan.section.expert_by_expert)
        count += kLaunch * double(std::max<std::int64_t>(compute::group_rows(*grouped).used, 1) - 1);
    }
  return from_seconds(seconds(operator_time(plan)) * count);
}
}  // namespace moesim::training
