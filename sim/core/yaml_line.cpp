#include "core/yaml_line.h"

#include <algorithm>
#include <cctype>

namespace moesim::core {

std::string yaml_scalar(const std::string& text) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("._-/%+ ").find(c) != std::string_view::npos;
  };
  const bool safe = !text.empty() && std::ranges::all_of(text, plain) && text.front() != ' ' && text.back() != ' ' &&
                    text.front() != '-' && text.front() != '%';
  if (safe || (text.size() > 1 && text.front() == '-' && std::isdigit(static_cast<unsigned char>(text[1]))))
    return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

std::string yaml_line(const Config& value) {
  if (value.is_scalar()) return yaml_scalar(value.text());
  std::string out;
  if (value.is_list()) {
    for (const Config& item : value.items()) out += (out.empty() ? "" : ", ") + yaml_line(item);
    return "[" + out + "]";
  }
  for (const std::string& key : value.keys())
    out += (out.empty() ? "" : ", ") + yaml_scalar(key) + ": " + yaml_line(value.at(key));
  return "{" + out + "}";
}
}  // namespace moesim::core
