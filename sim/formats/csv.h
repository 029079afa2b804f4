// Comma-separated tables: cells by place or by column name, errors with the file's line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/line_file.h"

namespace moesim::formats {

/// A table read line by line; not to be moved once reading has begun.  Spaces around cells and lines that begin with
/// '#' mean nothing; a cell in double quotes may hold separators, and a doubled quote in it stays doubled.
class CsvFile {
 public:
  explicit CsvFile(const std::string& file, std::string_view separators = ",");
  /// separators: any of these characters; they must outlive this.
  explicit CsvFile(LineFile lines, std::string_view separators = ",");

  /// Takes the next line as the columns' names; every line after it must have as many cells.  Throws ConfigError if
  /// there is none or a name appears twice.
  void read_names();
  /// Moves to the next line; false at the end.  Throws ConfigError for a line of over a million cells.
  bool next();
  std::size_t cells() const { return cells_.size(); }
  const LineFile& lines() const { return lines_; }
  /// Throws ConfigError "FILE:LINE: PROBLEM".
  [[noreturn]] void fail(std::string_view problem) const { lines_.fail(problem); }

  bool has(std::string_view name) const;
  /// The column's place.  Throws ConfigError naming the nearest column, or all of them.
  std::size_t column(std::string_view name) const;
  const std::string& name(std::size_t column) const { return names_[column]; }
  const std::vector<std::string>& names() const { return names_; }

  /// The cell; messages about its value begin with the column's name, if there are names.
  std::string_view text(std::size_t column) const { return cells_[column]; }
  bool is_number(std::size_t column) const;
  double number(std::size_t column) const;  // finite
  std::int64_t integer(std::size_t column) const;
  /// A count: a whole number in [0, 10^9], also written "12.0".
  int count(std::size_t column) const;
  double seconds(std::size_t column) const;  // finite, not negative

 private:
  [[noreturn]] void fail(std::size_t column, std::string_view problem) const;
  LineFile lines_;
  std::string_view separators_;
  std::vector<std::string> names_;
  std::vector<std::string_view> cells_;
};

/// A table with names, read whole: for tables that people write, of at most 64 MiB.
class CsvTable {
 public:
  /// Throws ConfigError if a column of `required` is missing; see CsvFile for the rest.
  CsvTable(const std::string& file, const std::vector<std::string_view>& required);
  std::size_t rows() const { return lines_.size(); }
  std::string_view text(std::size_t row, std::string_view column) const;
  double number(std::size_t row, std::string_view column) const;  // finite
  std::int64_t integer(std::size_t row, std::string_view column) const;
  /// The same in [low, high].
  std::int64_t integer(std::size_t row, std::string_view column, std::int64_t low, std::int64_t high) const;
  /// Throws ConfigError "FILE:LINE: PROBLEM".
  [[noreturn]] void fail(std::size_t row, std::string_view problem) const;

 private:
  std::string file_;
  std::vector<std::string> names_;
  std::vector<std::uint32_t> lines_;  // of the file, by row
  std::string text_;                  // all cells, one after the other
  std::vector<std::uint32_t> ends_;   // (rows, columns), of the cells in text_
};
}  // namespace moesim::formats
