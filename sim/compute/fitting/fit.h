// Finds the parameters that make a function smallest, for the few-parameter fits here: a simplex, and descent.
#pragma once
#include <functional>
#include <vector>

namespace moesim::compute {

/// Minimises f from `start`, first steps `step` along each axis.  Stops when the simplex is smaller than 1e-6 or after
/// `evaluations`.  f may return infinity outside its domain.  Source: Nelder and Mead, Computer Journal 7 (1965).
std::vector<double> minimise(const std::function<double(const std::vector<double>&)>& f, std::vector<double> start,
                             double step, int evaluations);

/// Minimises the sum of |r|^power over the residuals r that f gives, each x between 0 and 1: Levenberg and Marquardt's
/// steps with numeric derivatives, each residual weighed by |r|^(power - 2), unknowns held at a bound they push
/// against. Stops when a step gains less than 1e-6 of the sum or after `evaluations`.  Source: Marquardt, SIAM J. 11
/// (1963).
std::vector<double> descend(const std::function<std::vector<double>(const std::vector<double>&)>& f,
                            std::vector<double> start, double power, int evaluations);
}  // namespace moesim::compute
