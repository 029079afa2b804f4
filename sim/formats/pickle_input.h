// The bytes of a pickle, read one opcode and its operands after the other; for the unpickler's .cpp files only.
#pragma once
#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/config_error.h"
#include "core/utf8.h"

namespace moesim::formats {

class PickleInput {
 public:
  /// where, offset: file and place of the first byte, for messages.  Refers to `bytes` and `where`.
  PickleInput(std::string_view bytes, const std::string& where, std::uint64_t offset)
      : bytes_(bytes), where_(where), offset_(offset) {}

  /// Throws ConfigError "FILE: byte N: PROBLEM", N the opcode read last.
  [[noreturn]] void fail(std::string_view problem) const {
    throw ConfigError::placed(fmt::format("{}: byte {}: {}", where_, offset_ + opcode_, one_line(problem)));
  }
  std::uint8_t opcode() {
    opcode_ = at_;
    return std::uint8_t(take(1)[0]);
  }
  std::string_view take(std::size_t n) {
    if (n > bytes_.size() - at_) fail(fmt::format("the pickle ends within an opcode, after {} bytes", bytes_.size()));
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  /// A little-endian number.
  template <class T>
  T number() {
    T out;
    std::memcpy(&out, take(sizeof out).data(), sizeof out);
    return out;
  }
  /// An integer of as many bytes as the first byte says.
  std::int64_t long_integer() {
    const std::size_t n = number<std::uint8_t>();
    if (n > 8) fail(fmt::format("an integer of {} bytes is too large", n));
    const std::string_view digits = take(n);
    std::int64_t out = n > 0 && std::int8_t(digits[n - 1]) < 0 ? -1 : 0;
    std::memcpy(&out, digits.data(), n);
    return out;
  }
  double real() {
    std::uint64_t bits = 0;
    for (const char byte : take(8)) bits = bits << 8 | std::uint8_t(byte);  // big-endian, unlike the rest
    return std::bit_cast<double>(bits);
  }
  std::string text() { return std::string(take(number<std::uint32_t>())); }
  /// Up to the end of the line.
  std::string line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("the pickle ends within a name");
    const std::string out(bytes_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }

 private:
  std::string_view bytes_;
  const std::string& where_;
  std::uint64_t offset_;
  std::size_t at_ = 0, opcode_ = 0;
};
}  // namespace moesim::formats
