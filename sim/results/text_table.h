// A table of text for people: as wide as it needs, or fitted to a terminal.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/terminal.h"

namespace moesim::results {

/// Rows of text under a header, numbers to the right.
class TextTable {
 public:
  /// keys: so many first columns tell the rows apart.
  explicit TextTable(std::vector<std::string> header, std::size_t keys = 1)
      : rows_{in_lines(std::move(header))}, keys_(keys) {}
  /// A line break or the like in a cell is written out; a long text in the last goes on in further rows.  An empty row
  /// is a blank line.
  void add(std::vector<std::string> row);
  bool empty() const { return rows_.size() <= 1; }
  /// width: columns that there are; 0 for as many as it takes.  What does not fit: headers and texts go on in further
  /// lines, and then the columns on the right follow below, behind the keys again.  Figures stay whole.
  std::string text(int indent = 0, std::size_t width = terminal_width()) const;

 private:
  struct Column;
  static std::vector<std::string> in_lines(std::vector<std::string> cells);
  std::vector<Column> columns() const;
  std::string block(int indent, const std::vector<Column>& all, const std::vector<std::size_t>& shown) const;
  std::vector<std::vector<std::string>> rows_;
  std::size_t keys_;
};
}  // namespace moesim::results
