// Lists as people type them on a command line: "a, b, c", "a,b,c" or "a b c".
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"

namespace moesim::core {

/// The elements of `text`: between its commas, or where it has none, its words; a unit stays with its number ("5 s 10
/// s" are two).
std::vector<std::string> typed_list(std::string_view text);
}  // namespace moesim::core
