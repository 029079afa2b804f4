// The numbers a fit turns, part by part: parts share no parameter, and each has rows of its own.
#pragma once
#include <functional>
#include <limits>
#include <vector>

#include "network/fitting/tables.h"

namespace moesim::network {

/// A positive number of a calibration, in SI units.
struct Knob {
  std::function<double(const NetworkCalibration&)> get;
  std::function<void(NetworkCalibration&, double)> set;
  double most = std::numeric_limits<double>::infinity();
};
using Knobs = std::vector<Knob>;

struct FitPart {
  std::function<bool(const NetworkRow&)> belongs;
  Knobs knobs;
};
/// Those of exchange kernels.
std::vector<FitPart> exchange_parts();
/// All of them.
std::vector<FitPart> fit_parts(const NetworkCalibration& start);
}  // namespace moesim::network
