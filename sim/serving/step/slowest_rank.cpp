#include "serving/step/slowest_rank.h"

#include <algorithm>
#include <numeric>

namespace moesim::serving {
namespace {
/// From one step to the next few ranks change places: those are moved one by one.
template <class Before>
void sort_again(std::vector<std::uint32_t>& order, const Before& before) {
  std::size_t moves = 8 * order.size();  // more of them than a sort from scratch takes
  for (std::size_t i = 1; i < order.size(); ++i) {
    const std::uint32_t rank = order[i];
    std::size_t at = i;
    for (; at > 0 && moves > 0 && before(rank, order[at - 1]); --at, --moves) order[at] = order[at - 1];
    order[at] = rank;
    if (moves == 0) return std::sort(order.begin(), order.end(), before);
  }
}
}  // namespace

void SlowestRanks::find(std::span<const compute::Batch> ranks, bool windowed, std::vector<std::size_t>& out) {
  const auto work = [&](std::size_t r) -> const compute::AttentionWork& {
    return windowed ? ranks[r].window_decode : ranks[r].decode;
  };
  if (order_.size() != ranks.size()) {
    order_.resize(ranks.size());
    std::iota(order_.begin(), order_.end(), 0U);
  }
  sort_again(order_, [&](std::uint32_t a, std::uint32_t b) {
    if (ranks[a].tokens != ranks[b].tokens) return ranks[a].tokens > ranks[b].tokens;
    return work(a).keys != work(b).keys ? work(a).keys > work(b).keys : a < b;
  });
  chosen_.assign(ranks.size(), 0);
  std::int64_t tokens = -1, longest = -1;
  for (const std::uint32_t r : order_) {
    if (ranks[r].tokens == 0) break;
    if (ranks[r].prefill.queries > 0) {
      chosen_[r] = 1;
      continue;
    }
    if (ranks[r].tokens != tokens) tokens = ranks[r].tokens, longest = -1;
    if (work(r).longest <= longest) continue;
    longest = work(r).longest;
    chosen_[r] = 1;
  }
  out.clear();
  for (std::size_t r = 0; r < ranks.size(); ++r)
    if (chosen_[r] != 0) out.push_back(r);
}
}  // namespace moesim::serving
