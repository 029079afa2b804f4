// The order that 1F1B and its descendants share.
#pragma once
#include <algorithm>
#include <vector>

#include "schedule/pipelines/pipeline.h"

namespace moesim::schedule {

/// Programs of all ranks: as many forwards as there are ranks behind, then a forward and a backward in turn.
/// `backward(program, rank, m)` appends what stands for micro-batch m's backward.
/// Source: Narayanan et al., PipeDream, 2019 (the variant with a flush).
template <class Backward>
std::vector<std::vector<Instruction>> one_f_one_b_programs(int ranks, int micro_batches, const Backward& backward) {
  std::vector<std::vector<Instruction>> out(std::size_t(ranks), std::vector<Instruction>{});
  for (int rank = 0; rank < ranks; ++rank) {
    auto& program = out[std::size_t(rank)];
    const int warm_up = std::min(ranks - 1 - rank, micro_batches);
    for (int m = 0; m < warm_up; ++m) program.push_back({Op::forward, 0, 0, m});
    for (int m = 0; m < micro_batches; ++m) {
      if (m + warm_up < micro_batches) program.push_back({Op::forward, 0, 0, m + warm_up});
      backward(program, rank, m);
    }
  }
  return out;
}
}  // namespace moesim::schedule
