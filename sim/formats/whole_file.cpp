#include "formats/whole_file.h"

#include <fmt/format.h>

#include "formats/byte_file.h"

namespace moesim::formats {

std::string read_whole(const std::string& file, std::uint64_t most) {
  const ByteFile bytes(file);
  if (bytes.size() > most)
    throw ConfigError::placed(
        fmt::format("{}: has {} bytes, of which at most {} are read at once", file, bytes.size(), most));
  return bytes.read(0, bytes.size(), "the file");
}
}  // namespace moesim::formats
