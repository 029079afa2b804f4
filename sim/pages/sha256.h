// The hash by which a page allows its own style and script, and no other.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace moesim::pages {

/// Source: FIPS 180-4.
std::array<std::uint8_t, 32> sha256(std::string_view bytes);
/// 'sha256-BASE64', as a Content-Security-Policy names an inline style or script (CSP level 3, section 2.3.1).
std::string policy_hash(std::string_view text);
}  // namespace moesim::pages
