// Whether bytes are text in UTF-8: what is not can stand in no report.
#pragma once
#include <string>
#include <string_view>

namespace moesim::formats {

/// By Unicode's table 3-7: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);
/// The text with U+FFFD for each byte that is none of UTF-8.
std::string as_utf8(std::string_view text);
}  // namespace moesim::formats
