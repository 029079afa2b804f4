// How far the network calibrations in force are from measured collectives and exchanges, in calibrate's classes.
#pragma once
#include <vector>

#include "compute/fitting/tables.h"
#include "network/fitting/tables.h"

namespace moesim::cli {
/// For every class of rows; those of one kind and GPU beside each other.
std::vector<compute::ClassResiduals> network_residuals(const std::vector<network::NetworkRow>& rows);
}  // namespace moesim::cli
