#include "formats/one_line.h"

#include "formats/utf8.h"

namespace moesim::formats {

std::string in_one_line(std::string_view text) {
  std::string out;
  for (const char c : as_utf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F)
      out += "\xEF\xBF\xBD";
    else
      out += c;
  }
  return out;
}
}  // namespace moesim::formats
