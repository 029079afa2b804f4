// Experts of a few tokens, token by token.
#pragma once
#include <span>
#include <vector>

#include "core/random.h"

namespace moesim::serving {

/// Up to so many, tokens are drawn one by one.  With more, independent counts of each expert touch as many experts
/// within 1 %: of 256 with top-8, 32 tokens touch 163.3, Poisson counts 161.8.
inline constexpr double kFewTokens = 32;

/// Draws the experts of `tokens` tokens (a fraction: one more, with its probability), each of them top_k different
/// ones, expert e with probability top_k * shares[e] or 1 if that is above.  shares: (experts) summing to 1; becomes
/// the shares drawn.  False, and nothing is drawn, where no more than top_k experts have a share.
bool draw_few(Random& random, double tokens, int top_k, std::vector<double>& shares);
}  // namespace moesim::serving
