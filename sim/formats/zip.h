// Reads ZIP files (.pt, .npz): entries stored or deflated, 64-bit sizes included.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "formats/byte_file.h"

namespace moesim::formats {

class ZipFile {
 public:
  struct Entry {
    std::uint64_t offset = 0;  // of its bytes in the file
    std::uint64_t stored = 0;  // bytes in the file
    std::uint64_t size = 0;    // bytes it stands for
    std::uint32_t crc = 0;
    bool deflated = false;
    mutable bool counted = false;  // among what was unpacked
  };
  /// Throws ConfigError naming the byte: no directory (truncated), an entry outside the file or over another,
  /// encrypted, or packed in another way.  Source: PKWARE's APPNOTE 6.3.
  explicit ZipFile(std::shared_ptr<const ByteFile> file);

  const std::shared_ptr<const ByteFile>& file() const { return file_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  /// The entry's bytes, checked against its sum.  Throws ConfigError if it is damaged or larger than `most`, or if all
  /// that was unpacked of this file is more than such a file may hold.
  std::string read(const std::string& name, std::uint64_t most = std::uint64_t{1} << 30) const;

 private:
  void read_entry(std::uint64_t at, std::uint64_t end, std::uint64_t& next);
  void check_apart() const;
  std::string inflated(const std::string& name, const Entry& entry) const;
  std::shared_ptr<const ByteFile> file_;
  std::map<std::string, Entry> entries_;
  mutable std::uint64_t unpacked_ = 0;  // bytes of all deflated entries read so far
};
}  // namespace moesim::formats
