// The range of shapes that an equation's parameters were fitted on.
#pragma once

namespace moesim::compute {

/// The largest and smallest value of each dimension among the fitted rows; 0 to 0 if nothing was fitted.
struct FittedRange {
  double m_min = 0, m_max = 0;  // rows (GEMM: m; grouped: rows an expert; attention: queries; memory: bytes)
  double n_min = 0, n_max = 0;  // GEMM: n; attention: heads
  double k_min = 0, k_max = 0;  // GEMM: k; attention: mean keys a sequence
  static void fields(auto& f, auto& p) {
    f("m_min", p.m_min, "fewest rows fitted"), f("m_max", p.m_max, "most rows fitted");
    f("n_min", p.n_min, "smallest n (attention: heads)"), f("n_max", p.n_max, "largest n");
    f("k_min", p.k_min, "smallest k (attention: keys a sequence)"), f("k_max", p.k_max, "largest k");
  }
};
}  // namespace moesim::compute
