// Text read line by line, from a file of any size or from memory.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "formats/byte_file.h"

namespace moesim::formats {

/// Lines without their ends (LF or CRLF); lines of spaces are skipped but counted, a UTF-8 byte-order mark is ignored.
class LineFile {
 public:
  /// Throws ConfigError if the file is absent, a folder, or cannot be read.
  explicit LineFile(const std::string& file);
  /// The lines of `text`; `name` stands for the file in messages.
  static LineFile of_text(std::string text, const std::string& name);

  /// Moves to the next line; false at the end.  Throws ConfigError for a line of over 64 MiB.
  bool next();
  std::string_view line() const { return line_; }   // until the next call of next()
  std::uint64_t number() const { return number_; }  // of the line, from 1
  const std::string& name() const { return name_; }
  /// Whether there is nothing in it at all.
  bool empty() const { return end_ == 0 && buffer_.empty(); }
  /// "FILE:LINE"
  std::string where() const;
  /// Throws ConfigError "FILE:LINE: PROBLEM".
  [[noreturn]] void fail(std::string_view problem) const;

 private:
  LineFile(std::string text, const std::string& name);
  void refill();
  std::unique_ptr<const ByteFile> file_;  // none for a text in memory
  std::string name_;
  std::string buffer_;
  std::string_view line_;
  std::size_t start_ = 0;             // of what is unread in the buffer
  std::uint64_t read_ = 0, end_ = 0;  // bytes of the file: in the buffer so far, all
  std::uint64_t number_ = 0;
};
}  // namespace moesim::formats
