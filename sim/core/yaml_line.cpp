#include "core/yaml_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace moesim::core {

std::string yaml_scalar(const std::string& text) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("._-/%+ ").find(c) != std::string_view::npos;
  };
  const bool begins = !text.empty() && text.front() != ' ' && text.front() != '%' && !text.starts_with("...") &&
                      (text.front() != '-' || (text.size() > 1 && std::isdigit(static_cast<unsigned char>(text[1]))));
  const bool null = text == "null" || text == "Null" || text == "NULL";  // nothing at all, not that word
  if (begins && !null && text.back() != ' ' && std::ranges::all_of(text, plain)) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\x{:02x}", unsigned(c));
    else
      out += c;
  }
  return out + "\"";
}

std::string yaml_line(const Config& value) {
  if (value.is_scalar()) {
    const std::string text = value.text();
    return text == "~" ? text : yaml_scalar(text);  // nothing at all, which in quotes would be a word
  }
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
