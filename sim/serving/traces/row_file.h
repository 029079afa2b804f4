// Reads trace files line by line; every error names the file and the row.
#pragma once
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/units.h"

namespace moesim {

/// Lines of a text file; LF or CRLF, blank lines skipped, a UTF-8 byte-order mark ignored.
class RowFile {
 public:
  /// Throws ConfigError if the file cannot be opened.
  explicit RowFile(const std::string& file);
  /// Moves to the next line that is not blank; false at the end.
  bool next();
  const std::string& line() const { return line_; }
  std::int64_t row() const { return row_; }
  /// Throws ConfigError "FILE:ROW: problem".
  [[noreturn]] void fail(std::string_view problem) const;

 private:
  std::string file_;
  std::ifstream in_;
  std::string line_;
  std::int64_t row_ = 0;
};

/// A CSV file whose first line names the columns.
class CsvFile {
 public:
  explicit CsvFile(const std::string& file);
  bool has(std::string_view column) const;
  /// The column's place.  Throws ConfigError naming the nearest column, or all of them.
  std::size_t column(std::string_view name) const;
  /// Throws ConfigError if a row has another number of fields than the header.
  bool next();
  /// A count: a whole number in [0, 2^31), also written "12.0".
  int count(std::size_t column) const;
  double seconds(std::size_t column) const;  // finite, not negative
  std::string_view text(std::size_t column) const { return fields_[column]; }
  std::string_view name(std::size_t column) const { return names_[column]; }
  const RowFile& rows() const { return rows_; }

 private:
  RowFile rows_;
  std::string header_;
  std::vector<std::string_view> names_, fields_;
};

/// A moment of the calendar: whole seconds since 1970 and the picoseconds after.
struct Moment {
  std::int64_t second = 0;
  std::int64_t picosecond = 0;
};
/// "2023-11-16 18:17:03.9799600", also with T, without a fraction, with a zone such as +00:00 or Z.
/// Returns false if the text is something else.
bool parse_moment(std::string_view text, Moment& out);
}  // namespace moesim
