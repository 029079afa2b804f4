#include "spec/release/python_json.h"

#include <string_view>

#include "core/files.h"
#include "formats/json.h"

namespace moesim::spec {
namespace {
/// What stands outside of quotes at `at`: one of Python's words for numbers, or "".
std::string_view python_number(std::string_view text, std::size_t at) {
  for (const std::string_view word :
       {std::string_view("-Infinity"), std::string_view("Infinity"), std::string_view("NaN")})
    if (text.substr(at, word.size()) == word) return word;
  return {};
}
}  // namespace

formats::JsonValue parse_python_json(std::string text, const std::string& where) {
  if (text.find("Infinity") == std::string::npos && text.find("NaN") == std::string::npos)
    return formats::parse_json(text, where);
  std::string out;
  out.reserve(text.size() + 16);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const std::string_view word = quoted ? std::string_view{} : python_number(text, i);
    if (!word.empty()) {
      out += "null";
      if (word.size() > 4) out.append(word.size() - 4, ' ');
      i += word.size() - 1;
      continue;
    }
    out += c;
    if (quoted && c == '\\' && i + 1 < text.size()) out += text[++i];
    if (c == '"') quoted = !quoted;
  }
  return formats::parse_json(out, where);
}

formats::JsonValue read_python_json(const std::string& file) {
  return parse_python_json(read_file(file, kMostWritten), file);
}
}  // namespace moesim::spec
