// How often a law draws anew.
#pragma once
#include <algorithm>

namespace moesim::test {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSlower = 6;  // about what a sanitizer costs; what it looks for shows in any of the draws
#else
constexpr int kSlower = 1;
#endif

/// n, or under a sanitizer as many as take about as long, at least one.  The first draws are the same ones.
constexpr int rounds(int n) { return std::max(1, n / kSlower); }
}  // namespace moesim::test
