// Random kernels of DSA and of block-sparse GQA, for the laws of all kernels, and what they multiply in.
#pragma once
#include "compute/kernels/kernel.h"
#include "core/random.h"

namespace moesim::test {

/// Of n sequences of `tokens` new tokens, or of as many cached ones.
inline compute::Kernel random_sparse_kernel(Random& random, std::int64_t n, std::int64_t tokens) {
  constexpr int kPicks = 2048;
  const std::int64_t rows = n * tokens, keys = tokens + kPicks;
  const int heads = 8 << random.below(5);
  const compute::AttentionWork prompt{n, rows, n * keys, keys, double(rows) * (double(tokens) / 2 + kPicks)};
  const compute::AttentionWork picked{n, rows, n * keys, keys, double(rows) * kPicks};
  switch (random.below(7)) {
    case 4:
      return compute::IndexScores{1 << random.below(3), 128, prompt, false, 1, 128};
    case 5:
      return compute::IndexScores{1 << random.below(3), 128, {n, n, n * keys, keys, double(n * keys)}, true, 1, 128};
    case 6:
      return compute::SparsePrefill{{spec::AttentionKind::block_sparse, 4 * heads, 4, 128, 128, false}, picked, kPicks};
    case 0:
      return compute::IndexScores{32 << random.below(2), 128, prompt};
    case 1:
      return compute::IndexScores{32 << random.below(2), 128, {n, n, n * keys, keys, double(n * keys)}, true};
    case 2:
      return compute::IndexTopK{kPicks, rows, keys, double(rows), prompt.pairs};
    default:
      return compute::SparsePrefill{{spec::AttentionKind::mla, heads, 1, 576, 512, true}, picked, kPicks};
  }
}

/// Whether the kernel multiplies in FP8; of attention none is drawn that does.
inline bool in_fp8(const compute::Kernel& kernel) {
  const auto* const g = std::get_if<compute::Gemm>(&kernel);
  const auto* const grouped = std::get_if<compute::GroupedGemm>(&kernel);
  const auto* const scores = std::get_if<compute::IndexScores>(&kernel);
  return (g && g->dtype == spec::Dtype::fp8) || (grouped && grouped->dtype == spec::Dtype::fp8) ||
         (scores && scores->dtype() == spec::Dtype::fp8);
}
}  // namespace moesim::test
