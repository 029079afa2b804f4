// Text in lines, lines in cells: for small tables that are read whole.
#pragma once
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace moesim {

/// Calls `take(number, line)` for each line, numbered from 1, without its end ("\n" or "\r\n"); a last line needs none.
template <class Take>
void for_each_line(std::string_view text, Take&& take) {
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    take(number, line);
  }
}

/// The cells between a line's commas without the spaces around them.  Quotes have no meaning: our tables hold words and
/// numbers.
inline std::vector<std::string_view> split_cells(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t comma = line.find(',');
    std::string_view cell = line.substr(0, comma);
    while (cell.starts_with(' ')) cell.remove_prefix(1);
    while (cell.ends_with(' ')) cell.remove_suffix(1);
    out.push_back(cell);
    if (comma == std::string_view::npos) return out;
    line.remove_prefix(comma + 1);
  }
}
}  // namespace moesim
