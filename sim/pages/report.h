// moesim report: one self-contained page from a results database.
#pragma once
#include <string>

namespace moesim::pages {

/// The page of what `database` holds.  Throws ConfigError if it is neither a routing trace nor a results database of
/// this version, or holds no run.
std::string report_page(const std::string& database);
}  // namespace moesim::pages
