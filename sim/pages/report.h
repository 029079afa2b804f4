// moesim report: one self-contained page from a results database.
#pragma once
#include <string>

namespace moesim::pages {

/// The page of what `database` holds.  Throws ConfigError if it is no results database of this version, holds no run,
/// or what no page is made of.
std::string report_page(const std::string& database);
}  // namespace moesim::pages
