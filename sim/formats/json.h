// JSON read and written; a large header, included by .cpp files only (others do with json_object.h).
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/files.h"
#include "formats/json_object.h"
#include "formats/line_file.h"

namespace moesim::formats {

/// JSON to be written: objects keep their keys in the order they were set.
using Json = nlohmann::ordered_json;

/// The text of `value`, of one line if indent is -1.  Bytes that are no UTF-8 (of a file's name) are replaced.
std::string json_text(const Json& value, int indent = -1);

/// Every document of others is read by this one function.  where: begins messages.
/// Throws ConfigError "WHERE: is not JSON: byte N", or if a key appears twice in an object or lists nest deeper than
/// 100: functions that walk a document recurse.
JsonValue parse_json(std::string_view text, const std::string& where);
/// A file's document, of at most `most` bytes (core/files.h).
JsonValue read_json(const std::string& file, std::uint64_t most = kMostFile);
/// The line at hand of a file of JSON lines.
JsonValue parse_json(const LineFile& line);
/// Whether parse_json would take it.
bool is_json(std::string_view text);
}  // namespace moesim::formats
