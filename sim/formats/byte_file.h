// A file read at offsets; nothing is read beyond its end or kept in memory unasked.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/files.h"

namespace moesim::formats {

class ByteFile {
 public:
  /// Throws ConfigError if it is absent, a folder, or cannot be read.
  explicit ByteFile(const std::string& file);
  ByteFile(const ByteFile&) = delete;
  ByteFile& operator=(const ByteFile&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t size() const { return open_.size; }
  /// Exactly `count` bytes from `offset`.  Throws ConfigError naming the offset if the file ends before; `what` says
  /// what was to be there.
  void read(std::uint64_t offset, void* out, std::uint64_t count, std::string_view what) const;
  std::string read(std::uint64_t offset, std::uint64_t count, std::string_view what) const;
  /// The first bytes, at most `count`.
  std::string head(std::uint64_t count) const;
  /// A little-endian integer or float.
  template <class T>
  T value(std::uint64_t offset, std::string_view what) const {
    T out;
    read(offset, &out, sizeof out, what);
    return out;
  }
  /// Throws ConfigError "FILE: byte OFFSET: PROBLEM".
  [[noreturn]] void fail(std::uint64_t offset, std::string_view problem) const;

 private:
  std::string name_;
  OpenFile open_;
};
}  // namespace moesim::formats
