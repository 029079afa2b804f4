#include "results/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/utf8.h"

namespace moesim::results {
namespace {
constexpr std::size_t kLongText = 110;   // of a row's last cell: what is longer goes on in the next line
constexpr std::size_t kNarrowText = 16;  // columns that a text is left at least, where it has so many
constexpr std::size_t kGap = 2;

bool is_figure(const std::string& cell) {
  const char first = cell.empty() ? '0' : cell.front();
  return first == '-' || first == '+' || (first >= '0' && first <= '9');
}
std::size_t longest_word(std::string_view text) {
  std::size_t out = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    out = std::max(out, end - at);
    at = end + 1;
  }
  return out;
}
}  // namespace

struct TextTable::Column {
  std::size_t natural = 0, least = 0, width = 0;
  bool figures = true, last = false;
};

std::vector<std::string> TextTable::in_lines(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = one_line(cell);
  return cells;
}

void TextTable::add(std::vector<std::string> row) { rows_.push_back(in_lines(std::move(row))); }

std::vector<TextTable::Column> TextTable::columns() const {
  std::vector<Column> out;
  std::vector<std::size_t> cells;  // the widest below the header
  for (std::size_t r = 0; r < rows_.size(); ++r)
    for (std::size_t c = 0; c < rows_[r].size(); ++c) {
      if (c >= out.size()) out.emplace_back(), cells.push_back(0);
      const bool last = c + 1 == rows_[r].size() && r > 0;
      for (const std::string& piece : pieces_of(rows_[r][c], last ? kLongText : rows_[r][c].size(), true)) {
        out[c].natural = std::max(out[c].natural, piece.size());
        if (r > 0) cells[c] = std::max(cells[c], piece.size());
        if (r > 0 && !is_figure(piece)) out[c].figures = false;
      }
    }
  for (std::size_t c = 0; c < out.size(); ++c) {
    const std::size_t head = c < rows_[0].size() ? longest_word(rows_[0][c]) : 0;
    out[c].least = std::max(head, out[c].figures ? cells[c] : std::min(cells[c], kNarrowText));
    out[c].width = out[c].natural;
  }
  return out;
}

std::string TextTable::block(int indent, const std::vector<Column>& all, const std::vector<std::size_t>& shown) const {
  std::string out;
  for (const auto& row : rows_) {
    std::vector<std::vector<std::string>> cells;
    std::size_t lines = 1;
    for (const std::size_t c : shown) {
      if (c >= row.size()) break;
      const bool fitted = all[c].width < all[c].natural;
      const std::size_t room = fitted || c + 1 != row.size() || &row == &rows_[0] ? all[c].width : kLongText;
      cells.push_back(pieces_of(row[c], room, !fitted));
      lines = std::max(lines, cells.back().size());
    }
    for (std::size_t l = 0; l < lines; ++l) {
      std::string line(std::size_t(indent), ' ');
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const Column& column = all[shown[i]];
        const std::string cell = l < cells[i].size() ? cells[i][l] : "";
        line += fmt::format(fmt::runtime(column.figures && shown[i] > 0 ? "{}{:>{}}" : "{}{:<{}}"), i == 0 ? "" : "  ",
                            cell, column.width);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + '\n';
    }
  }
  return out;
}

namespace {
/// Room beyond what columns need at least goes to the narrowest that want more, one column of the terminal at a time.
template <class Columns>
void widen(Columns& all, const std::vector<std::size_t>& shown, std::size_t room) {
  for (const std::size_t c : shown) all[c].width = all[c].least;
  for (bool grew = true; room > 0 && grew;) {
    grew = false;
    for (const std::size_t c : shown)
      if (room > 0 && all[c].width < all[c].natural) ++all[c].width, --room, grew = true;
  }
}
}  // namespace

std::string TextTable::text(int indent, std::size_t width) const {
  std::vector<Column> all = columns();
  std::vector<std::size_t> shown(all.size());
  std::iota(shown.begin(), shown.end(), std::size_t{0});
  std::size_t natural = std::size_t(indent);
  for (const Column& c : all) natural += c.natural + kGap;
  if (width == 0 || natural <= width + kGap) return block(indent, all, shown);
  const std::size_t room = width > std::size_t(indent) ? width - std::size_t(indent) : 0;
  std::string out;
  const std::size_t keys = std::min(keys_, all.size());
  for (std::size_t next = 0; next < all.size();) {
    shown.clear();
    std::size_t used = 0;
    const auto take = [&](std::size_t c) { shown.push_back(c), used += all[c].least + (used > 0 ? kGap : 0); };
    if (next > 0)
      for (std::size_t c = 0; c < keys; ++c) take(c);
    do take(next++);
    while (next < all.size() && (next < keys || used + kGap + all[next].least <= room));
    widen(all, shown, room > used ? room - used : 0);
    out += (out.empty() ? "" : "\n") + block(indent, all, shown);
  }
  return out;
}
}  // namespace moesim::results
