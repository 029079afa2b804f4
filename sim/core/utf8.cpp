#include "core/utf8.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::core {
namespace {
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

/// Bytes of the character that begins here; 0 if none does.
std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  // Longer forms of what is shorter, halves of UTF-16 pairs, and what lies beyond U+10FFFF.
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) || (first == 0xF0 && byte(1) < 0x90) ||
      (first == 0xF4 && byte(1) > 0x8F))
    return 0;
  return size;
}

/// The text with U+FFFD for each byte that is no UTF-8, and what `spell` gives for each control character: of ASCII,
/// and U+0080 to U+009F, which some terminals obey too.
template <class F>
std::string rewritten(std::string_view text, F&& spell) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const std::size_t size = character(rest);
    const unsigned code = static_cast<unsigned char>(rest[size == 2 ? 1 : 0]);
    if (size == 0)
      out += kReplacement;
    else if ((size == 1 && (code < 0x20 || code == 0x7f)) || (size == 2 && rest[0] == '\xC2' && code < 0xA0))
      out += spell(code);
    else
      out += rest.substr(0, size);
    at += std::max<std::size_t>(size, 1);
  }
  return out;
}
}  // namespace

std::size_t first_not_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

std::string as_utf8(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character(text.substr(at));
    out += size == 0 ? kReplacement : text.substr(at, size);
    at += size == 0 ? 1 : size;
  }
  return out;
}

std::string without_controls(std::string_view text) {
  return rewritten(text, [](unsigned code) {
    return code == '\n' || code == '\t' ? std::string(1, char(code)) : fmt::format("\\u{:04x}", code);
  });
}

std::string one_line(std::string_view text) {
  return rewritten(text, [](unsigned code) { return code == '\n' ? "\\n" : fmt::format("\\x{:02x}", code); });
}

std::string shortened(const std::string& line, std::size_t most) {
  if (line.size() <= most) return line;
  const auto inside = [&](std::size_t i) { return (static_cast<unsigned char>(line[i]) & 0xc0) == 0x80; };
  std::size_t head = most / 2, tail = line.size() - most / 2;
  while (head > 0 && inside(head)) --head;
  while (tail < line.size() && inside(tail)) ++tail;
  return fmt::format("{} [...] {}", std::string_view(line).substr(0, head), std::string_view(line).substr(tail));
}
}  // namespace moesim::core
