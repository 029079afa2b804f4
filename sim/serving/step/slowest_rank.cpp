#include "serving/step/slowest_rank.h"

#include <algorithm>

namespace moesim::serving {

void may_be_slowest(std::span<const compute::Batch> ranks, bool windowed, std::vector<std::size_t>& out) {
  const auto work = [&](std::size_t r) -> const compute::AttentionWork& {
    return windowed ? ranks[r].window_decode : ranks[r].decode;
  };
  struct Decoding {
    std::int64_t tokens, keys;
    std::size_t rank;
  };
  std::vector<Decoding> decoding;
  decoding.reserve(ranks.size());
  out.clear();
  for (std::size_t r = 0; r < ranks.size(); ++r)
    if (ranks[r].prefill.queries > 0)
      out.push_back(r);
    else if (ranks[r].tokens > 0)
      decoding.push_back({ranks[r].tokens, work(r).keys, r});
  std::sort(decoding.begin(), decoding.end(), [](const Decoding& a, const Decoding& b) {
    if (a.tokens != b.tokens) return a.tokens > b.tokens;
    return a.keys != b.keys ? a.keys > b.keys : a.rank < b.rank;
  });
  std::int64_t tokens = -1, longest = -1;
  for (const Decoding& d : decoding) {
    if (d.tokens != tokens) tokens = d.tokens, longest = -1;
    if (work(d.rank).longest <= longest) continue;
    longest = work(d.rank).longest;
    out.push_back(d.rank);
  }
  std::ranges::sort(out);
}
}  // namespace moesim::serving
