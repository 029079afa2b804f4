#include "routing/importers/reply_documents.h"

#include <fmt/format.h>

#include "core/config.h"
#include "core/files.h"
#include "formats/json.h"

namespace moesim::routing {
namespace {
/// One document a line, after "data:" in a stream.
std::vector<formats::JsonValue> lines_of(formats::LineFile lines) {
  std::vector<formats::JsonValue> out;
  while (lines.next()) {
    std::string_view line = lines.line();
    if (line.starts_with("data:")) line.remove_prefix(5);
    if (line.find("[DONE]") != std::string_view::npos) continue;
    out.push_back(formats::parse_json(line, lines.where()));
    if (!out.back().is_object()) lines.fail("expected a JSON object");
  }
  return out;
}
}  // namespace

std::vector<formats::JsonValue> reply_documents(const std::string& file) {
  std::string text = read_file(file);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) throw ConfigError(fmt::format("{}: is empty", file));
  const std::string_view first = std::string_view(text).substr(start, text.find('\n', start) - start);
  if (first.starts_with("data:") || (!formats::is_json(text) && formats::is_json(first)))
    return lines_of(formats::LineFile::of_text(std::move(text), file));
  formats::JsonValue root = formats::parse_json(text, file);
  std::vector<formats::JsonValue> out;
  if (!root.is_array()) {
    out.push_back(std::move(root));
    return out;
  }
  for (formats::JsonValue& item : root) out.push_back(std::move(item));
  return out;
}
}  // namespace moesim::routing
