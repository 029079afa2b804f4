// What others named, put into a message of one line.
#pragma once
#include <string>
#include <string_view>

namespace moesim::formats {

/// The text with U+FFFD for control characters and for bytes that are none of UTF-8.
std::string in_one_line(std::string_view text);
}  // namespace moesim::formats
