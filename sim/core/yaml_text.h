// YAML of others, looked through before anything is built from it: yaml-cpp's own loader follows an alias into itself,
// makes empty documents for ever and has no end to what it builds.
#pragma once
#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <string>

#include "core/names.h"

namespace moesim::core {

/// What is wrong with a YAML text, and where: whoever knows the text's name makes a ConfigError of it.
struct YamlFault {
  YAML::Mark mark;      // line -1 where no place is at fault
  std::string path;     // of the value at fault, "a.b[2]"; "" where the text itself is
  std::string problem;  // "not valid YAML: ...", "key "x" appears twice"
};

constexpr std::size_t kMostYaml = std::size_t{16} << 20;  // bytes of a text

/// The one document that `text` holds; a null value if it holds none.
///
/// Throws YamlFault unless it is UTF-8 text of one document in which keys are single words that appear once, values
/// nest 100 deep at most, aliases lead out of the value that they name, and there are no more than 300,000 values,
/// each counted wherever an alias repeats it.  Time and memory grow with the length of the text.
YAML::Node load_yaml(const std::string& text);
}  // namespace moesim::core
