// One layer's operations with FLOPs, bytes, times and where the times come from: numbers to check by hand.
#pragma once
#include <string>
#include <vector>

#include "compute/inventory.h"
#include "compute/memory.h"

namespace moesim {

enum class ExplainPhase { prefill, decode, training };
template <>
struct EnumNames<ExplainPhase> {
  static constexpr std::pair<std::string_view, ExplainPhase> table[] = {
      {"prefill", ExplainPhase::prefill}, {"decode", ExplainPhase::decode}, {"training", ExplainPhase::training}};
};

/// What one GPU computes.
struct ExplainRequest {
  Model model;
  ExplainPhase phase = ExplainPhase::prefill;
  int layer = -1;              // -1: the first MoE layer, or the first of a dense model
  std::int64_t sequences = 1;  // on this GPU (on its tensor-parallel group)
  std::int64_t tokens = 4096;  // new ones of each sequence
  std::int64_t context = 0;    // cached before
  int expert_parallel = 1;     // GPUs that share the experts; each gets its even part of the rows
  int slots = 0;               // expert copies a GPU holds; 0: experts / expert_parallel
  int pipeline = 1;            // training: stages; memory is that of a middle one with `in_flight` micro-batches
  double in_flight = 1;
  TrainingState state;
  LayerOptions options;
  GpuShare share;
};

struct ExplainedOperation {
  Operation operation;
  Cost cost;
};

struct Explanation {
  int layer = 0;
  std::vector<std::int64_t> rows;  // of each local expert; the operations refer to them
  std::vector<ExplainedOperation> operations;
  Time total{};
  MemoryUse memory;
};

/// Throws ConfigError for shapes of zero or beyond the model: tokens, context, layer, expert parallelism.
Explanation explain(const ExplainRequest& request, const KernelModel& kernels);
}  // namespace moesim
