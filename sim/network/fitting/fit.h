// Fits a calibration's few parameters to rows of measured tables.
#pragma once
#include <cstdint>
#include <vector>

#include "network/fitting/tables.h"

namespace moesim::network {

/// Which of `rows` are left out: a fifth of each kind, seeded.
std::vector<bool> held_out_fifth(const std::vector<NetworkRow>& rows, std::uint64_t seed);
/// The start with what the rows say of its parameters; all rows are of `gpu`.  What no row times stays as it is.
/// steps: of each part's search.
NetworkCalibration fit_network(const NetworkCalibration& start, const spec::Gpu& gpu,
                               const std::vector<NetworkRow>& rows, int steps);
}  // namespace moesim::network
