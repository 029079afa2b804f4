// The parts of a page that are no C++: reports/page/, in $MOESIM_DATA, the installed data or the source tree.
#pragma once
#include <string>

namespace moesim::pages {

/// Never from the folder where the command runs, unlike entries of a catalogue: the script of a page is ours.
/// Throws ConfigError naming the folders that were looked in.
std::string asset(const std::string& name);
}  // namespace moesim::pages
