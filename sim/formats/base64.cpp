#include "formats/base64.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

#include "core/config_error.h"

namespace moesim::formats {

std::string base64(std::string_view text, const std::string& where) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static constexpr auto table = [] {
    std::array<std::int8_t, 256> out{};
    out.fill(-1);
    for (std::size_t i = 0; i < digits.size(); ++i) out[std::uint8_t(digits[i])] = std::int8_t(i);
    return out;
  }();
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int held = 0;
  std::size_t padding = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\r') continue;
    if (text[i] == '=' && ++padding <= 2) continue;
    const int v = table[std::uint8_t(text[i])];
    if (v < 0 || padding > 0) throw ConfigError::placed(fmt::format("{}: is not base64: character {}", where, i));
    bits = bits << 6 | std::uint32_t(v);
    if ((held += 6) < 8) continue;
    held -= 8;
    out += char(bits >> held & 0xff);
  }
  if (held >= 6) throw ConfigError::placed(fmt::format("{}: is not base64: it ends within a byte", where));
  return out;
}
}  // namespace moesim::formats
