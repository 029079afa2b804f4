#include "serving/step/few_tokens.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace moesim::serving {
namespace {
/// Probabilities that sum to top_k, none above 1, else in proportion to shares.  More than top_k shares are above 0.
std::vector<double> inclusion(std::span<const double> shares, int top_k) {
  std::vector<double> out(shares.size());
  std::vector<bool> sure(shares.size());
  double left = top_k, free = 1;
  for (bool again = true; again;) {
    again = false;
    const double factor = free > 0 ? left / free : 0;
    for (std::size_t e = 0; e < shares.size(); ++e) {
      if (sure[e]) continue;
      out[e] = shares[e] * factor;
      if (out[e] < 1) continue;
      out[e] = 1;
      sure[e] = again = true;
    }
    left = top_k, free = 0;
    for (std::size_t e = 0; e < shares.size(); ++e) sure[e] ? left -= 1 : free += shares[e];
    if (left <= 0) again = false;
  }
  return out;
}
}  // namespace

// Systematic sampling in a random order: the probabilities side by side on a line as long as top_k, a random start
// below 1 and a step of 1.  None is longer than a step, so none is met twice.
bool draw_few(Random& random, double tokens, int top_k, std::vector<double>& shares) {
  if (std::ranges::count_if(shares, [](double p) { return p > 0; }) <= top_k) return false;
  const std::vector<double> chance = inclusion(shares, top_k);
  std::vector<std::size_t> order(shares.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.shuffle(std::span(order));
  const double whole = std::floor(tokens);
  const int count = std::max(1, int(whole) + (random.uniform() < tokens - whole));
  std::ranges::fill(shares, 0.0);
  for (int t = 0; t < count; ++t) {
    const double start = random.uniform();
    double end = 0;
    int next = 0;  // marks passed
    for (const std::size_t e : order) {
      end += chance[e];
      if (start + next >= end || next == top_k) continue;
      shares[e] += 1;
      ++next;
    }
  }
  const double drawn = std::accumulate(shares.begin(), shares.end(), 0.0);  // the last may fall to rounding
  for (double& p : shares) p /= drawn;
  return true;
}
}  // namespace moesim::serving
