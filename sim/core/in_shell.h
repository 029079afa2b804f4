// Words of commands that users are told to type.
#pragma once
#include <string>

#include "core/names.h"

namespace moesim::core {

/// The word as a shell takes it: in quotes where it holds more than letters, digits and what no shell reads.
std::string in_shell(const std::string& word);
}  // namespace moesim::core
