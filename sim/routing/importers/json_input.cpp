#include "routing/importers/json_input.h"

namespace moesim {

void check_depth(std::string_view text, const std::string& where) {
  constexpr int most = 100;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') ++i;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    if (depth > most) throw ConfigError(fmt::format("{}: byte {}: lists nest deeper than {}", where, i, most));
  }
}

std::vector<Json> reply_documents(const std::string& file) {
  const std::string text = read_file(file);
  std::vector<Json> out;
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) throw ConfigError(fmt::format("{}: is empty", file));
  check_depth(text, file);
  if (text.compare(start, 5, "data:") != 0 && Json::accept(text)) {
    Json root = Json::parse(text);
    if (!root.is_array()) return {std::move(root)};
    for (Json& item : root) out.push_back(std::move(item));
    return out;
  }
  LineFile lines(file);
  for (std::string line; lines.next(line);) {
    if (line.starts_with("data:")) line.erase(0, 5);
    if (line.find("[DONE]") != std::string::npos) continue;
    if (out.empty() && !Json::accept(line)) (void)parse_json(text, file);  // not lines either: say where it breaks
    out.push_back(parse_json_line(line, lines));
  }
  return out;
}
}  // namespace moesim
