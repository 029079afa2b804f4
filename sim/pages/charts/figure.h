// What a chart is made of: the drawing, and the table that says the same.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pages/charts/markup.h"

namespace moesim::pages {

/// What a colour says; reports/page/page.css gives the colour.  kind1 to kind4: kinds of work beside each other, none
/// of which looks like idle; faint: no work.
enum class Tone { answer, part, light, rest, faint, alert, ink, kind1, kind2, kind3, kind4 };
/// The class of a filled mark.
std::string_view fill(Tone tone);

struct Cell {
  std::string text;
  std::optional<double> value;  // what sorts; none: the text does
};
Cell cell(std::string_view text);
/// value: printed with `unit` (results/summary.h); none or not finite: an empty cell.
Cell cell(std::optional<double> value, std::string_view unit = "");

struct DataTable {
  std::string caption;
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;  // (rows, columns)
};

/// What one mark of a chart is in its table: a row, or a cell beside the first column.
enum class MarkIs { row, cell };

struct Figure {
  Html chart;
  DataTable table;
  std::size_t marks = 0;  // data drawn
  MarkIs mark_is = MarkIs::row;
  std::string reads;  // how the page's script reads the table under the pointer: cells, x, pieces, or "" for marks that
                      // carry their text
};
/// Rows, or cells beside the first column that hold something: as many as the chart has marks.
std::size_t data_of(const Figure& figure);

/// The table, its heads sort; `id` makes it the one that a filter names.
Html table_html(const DataTable& table, std::string_view id = "");

/// A key above a chart: what its colours mean.
struct KeyEntry {
  std::string name;
  std::string_view look;  // the class of its swatch
};
Html key_html(const std::vector<KeyEntry>& entries);

/// Of text in 13 px of a system font; a little more than most take.
constexpr double kLetter = 7.4;
/// Letters, not bytes.
std::size_t letters(std::string_view text);
}  // namespace moesim::pages
