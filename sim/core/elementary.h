// Exponential, logarithm, power, sine and gamma function that give the same bits on every machine.
#pragma once
#include "core/names.h"

namespace moesim::core {

// The C library's pick their code by the kind of processor and differ in the last bit, and its versions differ too.
// These are sums and products in one order, never fused, and square roots; `std::` ones of these are not used in sim/
// (tests/unit/core/layers_test.cpp).  Errors in units of the last place (ulp), as tests/unit/core/elementary_test.cpp
// measures them.  What is not a number, infinite, or outside a function's domain gives what C prescribes.

double exp_of(double x);            // below 0.7 ulp
double log_of(double x);            // below 1 ulp
double log1p_of(double x);          // log(1 + x), below 1 ulp
double log2_of(double x);           // below 1.5 ulp; exact for powers of two
double pow_of(double x, double y);  // below 0.7 ulp; a square exactly rounded
/// Below 0.8 ulp for |x| up to 2^50, beyond which std::logic_error is thrown: no digit of such an angle is known.
double sin_of(double x);
double cos_of(double x);
struct SineCosine {
  double sine, cosine;
};
SineCosine sine_cosine(double x);
/// The gamma function of x >= 1, relative error below 1e-13.
double gamma_function(double x);
}  // namespace moesim::core
