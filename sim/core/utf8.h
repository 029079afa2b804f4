// Text of others: whether it is UTF-8, and how it reads in a message.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "core/names.h"

namespace moesim::core {

/// The first byte that is no part of a UTF-8 character, or npos.  Source: RFC 3629, section 4.
std::size_t first_not_utf8(std::string_view text);
inline bool is_utf8(std::string_view text) { return first_not_utf8(text) == std::string_view::npos; }
/// The text with U+FFFD for each byte that is none of UTF-8.
std::string as_utf8(std::string_view text);
/// The same, with what steers a terminal written out as JSON writes it, "\u001b"; line breaks and tabs stay.
std::string without_controls(std::string_view text);
/// The same in one line of a message: "\n", "\x1b".
std::string one_line(std::string_view text);
/// The two ends of a line of more than `most` bytes, with "[...]" between them; others as they are.
std::string shortened(const std::string& line, std::size_t most);
}  // namespace moesim::core
