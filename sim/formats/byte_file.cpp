#include "formats/byte_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/utf8.h"

namespace moesim::formats {

// Opened without blocking: what is no regular file (a pipe that nobody writes) is refused, not waited for.
ByteFile::ByteFile(const std::string& file)
    : name_(file), descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (!descriptor_)
    throw ConfigError::placed(fmt::format("{}: {}", file, errno == ENOENT ? "no such file" : std::strerror(errno)));
  struct stat status {};
  if (::fstat(descriptor_.number(), &status) != 0 || !S_ISREG(status.st_mode))
    throw ConfigError::placed(fmt::format("{}: is not a file", file));
  size_ = std::uint64_t(status.st_size);
}

void ByteFile::fail(std::uint64_t offset, std::string_view problem) const {
  throw ConfigError::placed(fmt::format("{}: byte {}: {}", name_, offset, one_line(problem)));
}

void ByteFile::read(std::uint64_t offset, void* out, std::uint64_t count, std::string_view what) const {
  if (offset > size_ || count > size_ - offset)
    fail(offset, fmt::format("the file ends at byte {}, before {} of {} bytes", size_, what, count));
  auto* to = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t n = ::pread(descriptor_.number(), to, count, off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(offset, fmt::format("cannot be read: {}", n < 0 ? std::strerror(errno) : "it became shorter"));
    to += n;
    offset += std::uint64_t(n);
    count -= std::uint64_t(n);
  }
}

std::string ByteFile::read(std::uint64_t offset, std::uint64_t count, std::string_view what) const {
  if (offset > size_ || count > size_ - offset)  // before memory is taken for it
    fail(offset, fmt::format("the file ends at byte {}, before {} of {} bytes", size_, what, count));
  std::string out(count, '\0');
  read(offset, out.data(), count, what);
  return out;
}

std::string ByteFile::head(std::uint64_t count) const { return read(0, std::min(count, size_), "the beginning"); }
}  // namespace moesim::formats
