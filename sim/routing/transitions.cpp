#include "routing/transitions.h"

#include <algorithm>

namespace moesim::routing {

Transitions::Transitions(std::size_t layers, std::size_t experts, std::size_t most) : experts_(experts) {
  if (layers * experts * experts <= most)
    whole_.resize(layers * experts * experts);
  else
    pairs_.resize(layers);
}

double Transitions::likeliest_share(std::size_t layer) const {
  std::uint64_t all = 0, likeliest = 0;
  if (whole_.empty()) {
    if (pairs_.empty()) return 0;
    std::vector<std::uint32_t> most(experts_);
    for (const auto& [pair, n] : pairs_[layer]) {
      std::uint32_t& of = most[pair / experts_];
      of = std::max(of, n);
      all += n;
    }
    for (const std::uint32_t n : most) likeliest += n;
  }
  for (std::size_t e = 0; e < experts_ && !whole_.empty(); ++e) {
    const std::uint32_t* const row = &whole_[(layer * experts_ + e) * experts_];
    likeliest += *std::max_element(row, row + experts_);
    for (std::size_t i = 0; i < experts_; ++i) all += row[i];
  }
  return all > 0 ? double(likeliest) / double(all) : 0;
}
}  // namespace moesim::routing
