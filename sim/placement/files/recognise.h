// Tells placement files from other files, where one is given in place of them.
#pragma once
#include <string>
#include <string_view>

namespace moesim::placement {

/// Whether a file that begins with this is one of the placement formats (formats.h), whole or not.
bool looks_like_placement(std::string_view head);
/// Throws ConfigError that says so, and where placements are given, if `file` looks like one.  wanted: what was
/// expected in its place.
void refuse_placement(const std::string& file, std::string_view wanted);
}  // namespace moesim::placement
