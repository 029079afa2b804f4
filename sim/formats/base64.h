// Bytes written as text in 64 characters.
#pragma once
#include <string>
#include <string_view>

namespace moesim::formats {

/// Base64 with or without padding and line breaks.  Throws ConfigError "WHERE: ...".
std::string base64(std::string_view text, const std::string& where);
}  // namespace moesim::formats
