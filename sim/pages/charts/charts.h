// The charts of a page, as SVG: x in percent and y in pixels, so that text keeps its size from a telephone to paper.
//
// Each takes plain values and gives the drawing and its table; equal values give equal bytes.  Values that are not
// finite are left out of both.  `aria` says what the chart shows, for those who cannot see it.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "pages/charts/figure.h"
#include "pages/charts/scale.h"

namespace moesim::pages {

/// A value on an axis with a word beside it: a target, a limit.
struct Guide {
  double value = 0;
  std::string label;
};

struct Bar {
  std::string label;
  double from = 0, to = 0;
  std::string shown, aside;  // at its end, and in grey behind that
  Tone tone = Tone::answer;
};
struct Bars {
  std::string aria, label_name, value_name;
  std::vector<Bar> bars;
  double full = 0;   // where the axis ends, which starts at 0; 0: at the largest
  std::string unit;  // of the table
  std::vector<Guide> limits;
};
Figure bars(const Bars& b);

struct Stack {
  std::string label;
  std::vector<double> parts;
  std::string shown;
};
struct Stacks {
  std::string aria, label_name;
  std::vector<std::pair<std::string, Tone>> parts;
  std::vector<Stack> stacks;
  std::string unit;
  std::vector<Guide> limits;
  double full = 0;  // where the axis ends; 0: at the largest sum or limit
};
Figure stacks(const Stacks& s);

/// Numbers in cells, the stronger the hue the higher: few columns, a row each, whose names may be long.
struct Grid {
  struct Row {
    std::string label;
    std::vector<double> values;  // as many as columns; NaN: none
  };
  std::string aria, label_name;
  std::vector<std::string> columns;
  std::vector<Row> rows;
  double low = 0, high = 1;
};
Figure grid(const Grid& g);

/// Values on one axis that need not start at 0.
struct Dots {
  struct Dot {
    std::string label, shown;
    double value = 0;
    bool hollow = false;  // not simulated
  };
  std::string aria, unit;
  std::vector<Dot> dots;
};
Figure dots(const Dots& d);

/// Errors as a band around 0: single kernels, and what was published of whole deployments.
struct Band {
  std::string aria;
  double median = 0, p90 = 0;  // of single kernels; 0: not known
  std::vector<Dots::Dot> errors;
};
Figure band(const Band& b);

/// Errors a row each, before the band of single kernels.
struct Errors {
  struct Row {
    std::string label, published, simulated;
    double error = 0;
    double median = 0, p90 = 0;  // of single kernels; NaN: not known
  };
  std::string aria, label_name;
  std::vector<Row> rows;
};
Figure errors(const Errors& e);

/// Parallel coordinates: a line through all axes for each point.
struct Parallel {
  struct Axis {
    std::string name, unit;
    bool less = false;               // is better: the least stands at the top
    std::vector<std::string> words;  // of an axis that is no number: values count them
  };
  struct Line {
    std::string name;
    std::vector<double> values;  // as many as axes; NaN: none
    bool best = false;
  };
  std::string aria, line_name;
  std::vector<Axis> axes;
  std::vector<Line> lines;
};
Figure parallel(const Parallel& p);

struct Lines {
  struct Series {
    std::string name;
    std::vector<double> y;  // as many as x; NaN: none
  };
  std::string aria, x_name, x_unit, y_name, y_unit;
  std::vector<double> x;  // ascending
  std::vector<Series> series;
  bool logarithmic_x = false, from_zero = true;
  double top = 0;  // where y ends at least
  std::vector<Guide> at_x, at_y;
  int height = 176;
  std::size_t rows_above = 0;  // room for the words of so many guides at least, and
  bool keyed = false;          // a key even of one series: where another chart stands beside
};
Figure lines(const Lines& l);

/// Cells of rows x columns in steps of colour.
struct Heat {
  enum class Steps {
    about_one,  ///< over the mean: blue below, orange above, as far apart in ratio
    share       ///< from `low` to `high` in even steps of one hue
  };
  std::string aria, row_name, column_name;
  std::vector<std::string> rows, columns;
  std::vector<double> values;  // (rows, columns); NaN: none
  Steps steps = Steps::about_one;
  double low = 0, high = 1;
  int cell_height = 6;
  bool numbers = false;  // written into the cells
  double until = 0;      // columns are equal parts of [0, until] seconds; 0: they have names
  std::string unit{};    // behind a value that is read; about_one: times the mean
};
Figure heat(const Heat& h);
/// What the colours of about_one mean.
Html about_one_key(std::string_view what);
/// More cells than this are drawn as blocks of columns that keep the largest.
constexpr std::size_t kMostCells = 20'000;

struct Gantt {
  struct Piece {
    std::size_t row = 0, kind = 0;
    double start = 0, end = 0;
    std::string label;
  };
  std::string aria, row_name;
  std::vector<std::string> rows, shown;  // names at the left, and a word at the right
  std::vector<std::pair<std::string, Tone>> kinds;
  std::vector<Piece> pieces;
  double from = 0, to = 1;  // s
  std::string shown_name;
};
Figure gantt(const Gantt& g);

struct Scatter {
  enum class Look { chosen, front, other, rejected };
  struct Dot {
    double x = 0, y = 0;
    std::string name, aside;  // of the table's first and last column
    std::string label;        // beside the point, if it is of the front and there is room
    Look look = Look::other;
  };
  std::string aria, x_name, x_unit, y_name, y_unit;
  std::vector<Dot> dots;
  std::vector<Guide> at_x, at_y;  // targets; the axes reach them
  bool joined = true;             // a line through the front: where it is one of these two axes
};
Figure scatter(const Scatter& s);
}  // namespace moesim::pages
