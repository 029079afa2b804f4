// What this program was built from; its version is in files.h.
#pragma once
#include <string_view>

namespace moesim::core {

/// "1c84cdd0a1b2", with ", changed" where files differed from it; "not known, built without git" outside a checkout.
std::string_view commit();
/// "GNU 12.2.0, Release"
std::string_view compiler();
}  // namespace moesim::core
