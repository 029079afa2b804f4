#include "formats/byte_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/utf8.h"

namespace moesim::formats {

ByteFile::ByteFile(const std::string& file) : name_(file), open_(open_file(file)) {}

void ByteFile::fail(std::uint64_t offset, std::string_view problem) const {
  throw ConfigError::placed(fmt::format("{}: byte {}: {}", name_, offset, one_line(problem)));
}

void ByteFile::read(std::uint64_t offset, void* out, std::uint64_t count, std::string_view what) const {
  if (offset > size() || count > size() - offset)
    fail(offset, fmt::format("the file ends at byte {}, before {} of {} bytes", size(), what, count));
  auto* to = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t n = ::pread(open_.descriptor.number(), to, count, off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(offset, fmt::format("cannot be read: {}", n < 0 ? std::strerror(errno) : "it became shorter"));
    to += n;
    offset += std::uint64_t(n);
    count -= std::uint64_t(n);
  }
}

std::string ByteFile::read(std::uint64_t offset, std::uint64_t count, std::string_view what) const {
  if (offset > size() || count > size() - offset)  // before memory is taken for it
    fail(offset, fmt::format("the file ends at byte {}, before {} of {} bytes", size(), what, count));
  std::string out(count, '\0');
  read(offset, out.data(), count, what);
  return out;
}

std::string ByteFile::head(std::uint64_t count) const { return read(0, std::min(count, size()), "the beginning"); }
}  // namespace moesim::formats
