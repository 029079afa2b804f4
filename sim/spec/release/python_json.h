// JSON as Python writes it: with Infinity and NaN for numbers.
#pragma once
#include <string>

#include "formats/json_object.h"

namespace moesim::spec {

/// A document whose Infinity and NaN read as null, which counts as a missing key.  Throws ConfigError as read_json
/// does.
formats::JsonValue read_python_json(const std::string& file);
formats::JsonValue parse_python_json(std::string text, const std::string& where);
}  // namespace moesim::spec
