// Finds the parameters that make a function smallest: Nelder and Mead's simplex, for the few-parameter fits here.
#pragma once
#include <functional>
#include <vector>

namespace moesim {

/// Minimises f from `start`, first steps `step` along each axis.  Stops when the simplex is smaller than 1e-6 or after
/// `evaluations`.  f may return infinity outside its domain.  Source: Nelder and Mead, Computer Journal 7 (1965).
std::vector<double> minimise(const std::function<double(const std::vector<double>&)>& f, std::vector<double> start,
                             double step, int evaluations);
}  // namespace moesim
