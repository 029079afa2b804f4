#include "routing/importers/byte_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace moesim {

ByteFile::ByteFile(const std::string& file) : name_(file), descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0)
    throw ConfigError(fmt::format("{}: {}", file, errno == ENOENT ? "no such file" : std::strerror(errno)));
  struct stat status {};
  const bool regular = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular) {
    ::close(descriptor_);
    throw ConfigError(fmt::format("{}: is not a file", file));
  }
  size_ = std::uint64_t(status.st_size);
}

ByteFile::~ByteFile() { ::close(descriptor_); }

void ByteFile::fail(std::uint64_t offset, std::string_view problem) const {
  throw ConfigError(fmt::format("{}: byte {}: {}", name_, offset, problem));
}

void ByteFile::read(std::uint64_t offset, void* out, std::uint64_t count, std::string_view what) const {
  if (offset > size_ || count > size_ - offset)
    fail(offset, fmt::format("the file ends at byte {}, before {} of {} bytes", size_, what, count));
  auto* to = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t n = ::pread(descriptor_, to, count, off_t(offset));
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

bool LineFile::next(std::string& line) {
  constexpr std::size_t piece = 1 << 20, longest = std::size_t{64} << 20;
  for (;;) {
    const std::size_t end = buffer_.find('\n', start_);
    const bool last = read_ == file_.size();
    if (end == std::string::npos && !last) {
      if (buffer_.size() - start_ > longest) fail("the line is longer than 64 MiB");
      buffer_.erase(0, start_);
      start_ = 0;
      const std::uint64_t n = std::min<std::uint64_t>(piece, file_.size() - read_);
      buffer_ += file_.read(read_, n, "a line");
      read_ += n;
      continue;
    }
    if (end == std::string::npos && start_ == buffer_.size()) return false;
    const std::size_t stop = std::min(end, buffer_.size());
    line.assign(buffer_, start_, stop - start_);
    at_ += stop - start_ + (end != std::string::npos);
    start_ = std::min(stop + 1, buffer_.size());
    ++number_;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") != std::string::npos) return true;
  }
}

void LineFile::fail(std::string_view problem) const {
  throw ConfigError(fmt::format("{}:{}: {}", file_.name(), number_, problem));
}

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
    if (v < 0 || padding > 0) throw ConfigError(fmt::format("{}: is not base64: character {}", where, i));
    bits = bits << 6 | std::uint32_t(v);
    if ((held += 6) < 8) continue;
    held -= 8;
    out += char(bits >> held & 0xff);
  }
  if (held >= 6) throw ConfigError(fmt::format("{}: is not base64: it ends within a byte", where));
  return out;
}
}  // namespace moesim
