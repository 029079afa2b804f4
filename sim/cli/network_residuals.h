// How far network calibrations are from measured collectives and exchanges, in calibrate's classes.
#pragma once
#include <cstdint>
#include <vector>

#include "compute/fitting/tables.h"
#include "network/fitting/tables.h"

namespace moesim::cli {
/// Of the calibrations in force, for every class of rows; those of one kind and GPU beside each other.
std::vector<compute::ClassResiduals> network_residuals(const std::vector<network::NetworkRow>& rows);

struct NetworkFit {
  std::vector<compute::ClassResiduals> all, held_out;
};
/// Of fits that start from the calibrations in force: to all rows, and over a seeded fifth that was left out.
NetworkFit fit_network_rows(const std::vector<network::NetworkRow>& rows, std::uint64_t seed);
}  // namespace moesim::cli
