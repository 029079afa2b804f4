// The numbers a fit turns: parameters of equations and of benchmarks, each between two bounds.
#pragma once
#include <algorithm>
#include <vector>

#include "core/units.h"

namespace moesim::compute {

/// A number being fitted, kept between two bounds; several that are one number move together.
struct Knob {
  std::vector<double*> values;
  std::vector<Time*> times;
  double low = 0, high = 1;

  double get() const {
    const double now = times.empty() ? *values[0] : seconds(*times[0]);
    return std::clamp((now - low) / (high - low), 0.0, 1.0);
  }
  void set(double x) const {
    const double now = low + (high - low) * std::clamp(x, 0.0, 1.0);
    for (Time* t : times) *t = from_seconds(now);
    for (double* v : values) *v = now;
  }
};
inline Knob knob(double& value, double low, double high) { return {{&value}, {}, low, high}; }
inline Knob knob(double& value, double& also, double low, double high) { return {{&value, &also}, {}, low, high}; }
inline Knob knob(Time& time, double low, double high) { return {{}, {&time}, low, high}; }
}  // namespace moesim::compute
