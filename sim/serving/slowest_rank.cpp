#include "serving/slowest_rank.h"

#include <algorithm>
#include <tuple>

namespace moesim {

void may_be_slowest(std::span<const Batch> ranks, bool windowed, std::vector<std::size_t>& out) {
  const auto work = [&](std::size_t r) -> const AttentionWork& {
    return windowed ? ranks[r].window_decode : ranks[r].decode;
  };
  out.clear();
  std::size_t mixed = 0;  // ranks with prompts stand first
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (ranks[r].tokens == 0) continue;
    out.push_back(r);
    if (ranks[r].prefill.queries > 0) std::swap(out[mixed++], out.back());
  }
  const auto decoding = std::span(out).subspan(mixed);
  const auto key = [&](std::size_t r) {
    const AttentionWork& w = work(r);
    return std::tuple(-ranks[r].tokens, -w.keys, -w.longest, r);
  };
  std::ranges::sort(decoding, {}, key);
  std::size_t kept = mixed;
  std::int64_t tokens = -1, longest = -1;
  for (const std::size_t r : decoding) {
    if (ranks[r].tokens != tokens) tokens = ranks[r].tokens, longest = -1;
    if (work(r).longest <= longest) continue;
    longest = work(r).longest;
    out[kept++] = r;
  }
  out.resize(kept);
  std::ranges::sort(out);
}
}  // namespace moesim
