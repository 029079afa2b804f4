// Which program, of what build and with which calibration, wrote a database.
#pragma once
#include <string>
#include <string_view>

namespace moesim::results {

/// "0.1.0 (commit 1c84cdd0a1b2, results schema 3, calibration 5ab1c2d3; GNU 12.2.0, Release)".  The calibration is a
/// hash of the names and bytes of all kernel, network and engine calibrations of the hardware catalogue, as they are
/// found when this is first asked for.
const std::string& program();
/// What figures depend on of such a text: all but the compiler.
std::string_view figures_by(std::string_view program);
}  // namespace moesim::results
