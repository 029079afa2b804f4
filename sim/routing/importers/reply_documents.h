// The replies that a file of them holds, whatever way it was saved.
#pragma once
#include <string>
#include <vector>

#include "formats/json_object.h"

namespace moesim::routing {

/// A list's elements, one object, JSON lines, or the "data:" lines of a stream.  Throws ConfigError if it is none.
std::vector<formats::JsonValue> reply_documents(const std::string& file);
}  // namespace moesim::routing
