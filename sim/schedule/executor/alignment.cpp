#include "schedule/executor/alignment.h"

#include <algorithm>

namespace moesim::schedule {

Alignment align(const std::vector<BlockTraits>& forward, const std::vector<BlockTraits>& backward) {
  const std::size_t n = forward.size(), m = backward.size();
  const auto hidden = [](const BlockTraits& a, const BlockTraits& b) {
    return int(a.exchanges && b.computes) + int(b.exchanges && a.computes);
  };
  // best[i][j]: of the first i and j blocks; most hidden first, then most pairs, which is fewest slots.
  struct Best {
    int hidden = 0, pairs = 0;
    auto operator<=>(const Best&) const = default;
  };
  std::vector<std::vector<Best>> best(n + 1, std::vector<Best>(m + 1));
  const auto paired = [&](std::size_t i, std::size_t j) {
    const Best& before = best[i - 1][j - 1];
    return Best{before.hidden + hidden(forward[i - 1], backward[j - 1]), before.pairs + 1};
  };
  for (std::size_t i = 1; i <= n; ++i)
    for (std::size_t j = 1; j <= m; ++j) best[i][j] = std::max({paired(i, j), best[i - 1][j], best[i][j - 1]});

  Alignment out;
  const auto slot = [&](int f, int b) {
    out.forward.push_back(std::int16_t(f));
    out.backward.push_back(std::int16_t(b));
  };
  for (std::size_t i = n, j = m; i > 0 || j > 0;) {
    if (i > 0 && j > 0 && best[i][j] == paired(i, j))
      slot(int(--i), int(--j));
    else if (j == 0 || (i > 0 && best[i][j] == best[i - 1][j]))
      slot(int(--i), -1);
    else
      slot(-1, int(--j));
  }
  std::ranges::reverse(out.forward);
  std::ranges::reverse(out.backward);
  return out;
}
}  // namespace moesim::schedule
