// A value of a configuration as one line of YAML that reads back to the same.
#pragma once
#include <string>

#include "core/config.h"

namespace moesim::core {
std::string yaml_line(const Config& value);
/// A word or text as YAML has it: quoted where it would read as something else.
std::string yaml_scalar(const std::string& text);
}  // namespace moesim::core
