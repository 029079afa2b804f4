#include "formats/json.h"

#include <fmt/format.h>

#include "core/config_error.h"
#include "core/files.h"

namespace moesim::formats {
namespace {
constexpr int kMostDepth = 100;

/// The byte where lists and objects nest too deep, or npos.
std::size_t too_deep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') ++i;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    if (depth > kMostDepth) return i;
  }
  return std::string_view::npos;
}
}  // namespace

JsonValue parse_json(std::string_view text, const std::string& where) {
  if (const std::size_t at = too_deep(text); at != std::string_view::npos)
    throw ConfigError::placed(fmt::format("{}: byte {}: lists nest deeper than {}", where, at, kMostDepth));
  try {
    return JsonValue::parse(text);
  } catch (const JsonValue::parse_error& e) {
    throw ConfigError::placed(fmt::format("{}: is not JSON: byte {}", where, e.byte));
  } catch (const JsonValue::out_of_range&) {
    throw ConfigError::placed(fmt::format("{}: is not JSON: a number is too large", where));
  }
}

JsonValue read_json(const std::string& file) { return parse_json(read_file(file), file); }

JsonValue parse_json(const LineFile& line) { return parse_json(line.line(), line.where()); }

bool is_json(std::string_view text) { return too_deep(text) == std::string_view::npos && JsonValue::accept(text); }
}  // namespace moesim::formats
