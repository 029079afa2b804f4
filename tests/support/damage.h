// Damages bytes at random, as disks, cut transfers and people who mean harm do.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

#include "core/random.h"

namespace moesim::test {

/// One to four changes: a byte, a bit, a number that is often wrong (0, -1, the largest), a cut, a piece twice or gone.
inline std::string damaged(std::string bytes, Random& random) {
  constexpr std::uint64_t telling[] = {
      0,          1,          0x7F,       0xFF,      0xFFFF,     0x7FFFFFFF,       0x80000000,
      0xFFFFFFFF, 1ULL << 32, 1ULL << 60, INT64_MAX, UINT64_MAX, (1ULL << 32) + 3, 65'539};
  for (std::uint64_t changes = 1 + random.below(4); changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = random.below(bytes.size()),
                      n = std::min<std::size_t>(1 + random.below(16), bytes.size() - at);
    switch (random.below(6)) {
      case 0:
        bytes[at] = char(random.bits());
        break;
      case 1:
        bytes[at] = char(bytes[at] ^ (1 << random.below(8)));
        break;
      case 2: {
        const std::uint64_t v = telling[random.below(std::size(telling))];
        const std::size_t width = std::min<std::size_t>(std::size_t{1} << random.below(4), bytes.size() - at);
        std::memcpy(&bytes[at], &v, width);
        break;
      }
      case 3:
        if (random.below(4) == 0) bytes.resize(at);
        break;
      case 4:
        bytes.insert(at, bytes.substr(at, n));
        break;
      default:
        bytes.erase(at, n);
    }
  }
  return bytes;
}

/// The same for text: a number in it becomes a telling one, or a value another kind of value.
inline std::string damaged_text(std::string text, Random& random) {
  constexpr const char* values[] = {"-1",   "4294967299", "65539", "1e300",    "9223372036854775808",
                                    "null", "true",       "\"x\"", "[]",       "{}",
                                    "0",    "0.5",        "-2",    "\"\xFF\"", "[[[]]]"};
  if (random.below(3) == 0) return damaged(std::move(text), random);
  const std::size_t from = random.below(text.size());
  const std::size_t digit = text.find_first_of("0123456789\"", from);
  if (digit == std::string::npos) return damaged(std::move(text), random);
  std::size_t end = digit + 1;
  if (text[digit] == '"')
    end = std::min(text.size(), text.find('"', end) == std::string::npos ? end : text.find('"', end) + 1);
  else
    end = std::min(text.size(), text.find_first_not_of("0123456789", end));
  return text.replace(digit, end - digit, values[random.below(std::size(values))]);
}
}  // namespace moesim::test
