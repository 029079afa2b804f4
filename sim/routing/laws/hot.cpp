#include "routing/laws/hot.h"

#include <algorithm>

#include "routing/laws/law.h"

namespace moesim::routing {

void heat(std::span<const std::size_t> hot, double factor, std::span<double> weights) {
  const double n = double(weights.size()), h = double(hot.size());
  const double other = n > h ? std::max(0.0, (n - h * factor) / (n - h)) : 1;
  std::fill(weights.begin(), weights.end(), other);
  for (const std::size_t e : hot) weights[e] = factor;
}

void check_hot(int count, double factor, const TrafficContext& c) {
  if (count < 1 || count > c.gate.experts)
    refuse_law("count", fmt::format("expected 1 to {} experts, got {}", c.gate.experts, count));
  const double most = double(c.gate.experts) / std::max(count, c.gate.top_k);
  if (!(factor >= 1 && factor <= most))
    refuse_law("factor",
               fmt::format("expected 1 to {:.4g}, where the hot experts hold everything that tokens can give them, "
                           "got {}",
                           most, factor));
}
}  // namespace moesim::routing
