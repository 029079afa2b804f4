// Comma-separated tables with a header line: cells by column name, errors with the file's line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moesim {

class Csv {
 public:
  /// Reads the whole file; no quoting.  Throws ConfigError if it is empty, a column of `required` is missing or a row
  /// has another number of cells than the header.
  Csv(const std::string& file, const std::vector<std::string_view>& required);
  std::size_t rows() const { return cells_.size(); }
  const std::string& text(std::size_t row, std::string_view column) const;
  double number(std::size_t row, std::string_view column) const;
  std::int64_t integer(std::size_t row, std::string_view column) const;
  /// Throws ConfigError "FILE:LINE: problem".
  [[noreturn]] void fail(std::size_t row, std::string_view problem) const;

 private:
  std::size_t find(std::string_view column) const;
  std::string file_;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> cells_;
  std::vector<std::size_t> lines_;
};
}  // namespace moesim
