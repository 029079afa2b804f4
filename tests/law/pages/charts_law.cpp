// Whatever the values, a chart draws as many marks as its table holds, and every coordinate is a number.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <regex>

#include "pages/charts/charts.h"

namespace moesim::pages {
namespace {
std::size_t count(const std::string& text, std::string_view what) {
  std::size_t out = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++out;
  return out;
}
/// Cells that the paths of a map cover.
std::size_t cells_of(const std::string& text) {
  std::size_t out = 0;
  const std::regex run("M\\d+ \\d+h(\\d+)v1h");
  for (std::sregex_iterator it(text.begin(), text.end(), run), end; it != end; ++it) out += std::stoul((*it)[1]);
  return out;
}
void expect_numbers(const std::string& text) {
  const std::regex bad("=\"[^\"]*\\b(nan|inf)\\b[^\"]*\"");
  EXPECT_FALSE(std::regex_search(text, bad)) << text.substr(0, 2000);
}

class Values {
 public:
  explicit Values(unsigned seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return std::size_t(random_() % n); }
  /// Mostly ordinary, of any size; at times what is no number, or none that a chart could show.
  double any() {
    switch (random_() % 12) {
      case 0:
        return std::nan("");
      case 1:
        return std::numeric_limits<double>::infinity();
      case 2:
        return -1.0 * double(random_() % 100);
      case 3:
        return 0;
      case 4:
        return std::pow(10.0, double(random_() % 600) - 300);
      default:
        return std::pow(10.0, double(random_() % 12) - 6) * double(random_() % 1000);
    }
  }
  std::vector<double> many(std::size_t n) {
    std::vector<double> out;
    for (std::size_t i = 0; i < n; ++i) out.push_back(any());
    return out;
  }
  std::string word() {
    return std::vector<std::string>{"a", "<b>", "a long name of a thing that was measured", "\"", "\xff"}[below(5)];
  }

 private:
  std::mt19937_64 random_;
};

template <class Check>
void for_seeds(Check check) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Values v(seed);
    check(v);
    if (testing::Test::HasFailure()) return;
  }
}
void expect_marks(const Figure& f, std::size_t drawn) {
  EXPECT_EQ(f.marks, drawn);
  EXPECT_EQ(f.marks, data_of(f));
  expect_numbers(f.chart.text());
}

TEST(ChartLaw, BarsAndStacksHaveAMarkForEachValueOfTheirTable) {
  for_seeds([](Values& v) {
    Bars b{v.word(), v.word(), v.word(), {}, v.any(), v.below(2) ? "s" : "", {}};
    for (std::size_t i = v.below(20); i > 0; --i)
      b.bars.push_back({v.word(), v.any(), v.any(), v.word(), v.word(), Tone(v.below(7))});
    if (v.below(2)) b.limits.push_back({v.any(), v.word()});
    const Figure f = bars(b);
    expect_marks(f, count(f.chart.text(), "class=\"mk"));
    Stacks s{v.word(), v.word(), {}, {}, "B", {}, v.any()};
    for (std::size_t i = v.below(6); i > 0; --i) s.parts.emplace_back(v.word(), Tone(v.below(7)));
    for (std::size_t i = v.below(10); i > 0; --i) s.stacks.push_back({v.word(), v.many(s.parts.size()), v.word()});
    const Figure g = stacks(s);
    expect_marks(g, count(g.chart.text(), "class=\"mk"));
  });
}

TEST(ChartLaw, DotsBandsGridsAndPointsLikewise) {
  for_seeds([](Values& v) {
    Dots d{v.word(), "s", {}};
    Band e{v.word(), v.any(), v.any(), {}};
    for (std::size_t i = v.below(6); i > 0; --i)
      d.dots.push_back({v.word(), v.word(), v.any(), v.below(2) == 0}), e.errors.push_back(d.dots.back());
    const Figure f = dots(d), g = band(e);
    expect_marks(f, count(f.chart.text(), "class=\"mk"));
    expect_marks(g, count(g.chart.text(), "class=\"mk"));
    Grid grid_of{v.word(), v.word(), {}, {}, 0.3, 1};
    for (std::size_t i = v.below(5); i > 0; --i) grid_of.columns.push_back(v.word());
    for (std::size_t i = v.below(5); i > 0; --i) grid_of.rows.push_back({v.word(), v.many(grid_of.columns.size())});
    const Figure h = grid(grid_of);
    expect_marks(h, count(h.chart.text(), "class=\"mk"));
    Scatter s;
    s.aria = v.word(), s.x_name = v.word(), s.x_unit = "s", s.y_name = v.word();
    for (std::size_t i = v.below(30); i > 0; --i)
      s.dots.push_back({v.any(), v.any(), v.word(), v.word(), v.word(), Scatter::Look(v.below(4))});
    const Figure k = scatter(s);
    expect_marks(k, count(k.chart.text(), "class=\"mk"));
  });
}

TEST(ChartLaw, ErrorsAndParallelLinesHaveAMarkForEachRow) {
  for_seeds([](Values& v) {
    Errors e{v.word(), v.word(), {}};
    for (std::size_t i = v.below(12); i > 0; --i)
      e.rows.push_back({v.word(), v.word(), v.word(), v.any(), v.any(), v.any()});
    const Figure f = errors(e);
    expect_marks(f, count(f.chart.text(), "class=\"mk"));
    Parallel p{v.word(), v.word(), {}, {}};
    for (std::size_t i = v.below(8); i > 0; --i) {
      p.axes.push_back({v.word(), v.below(2) ? "s" : "", v.below(2) == 0, {}});
      if (v.below(3) == 0) p.axes.back().words = {"a", "<b>", "c"};
    }
    for (std::size_t i = v.below(30); i > 0; --i) p.lines.push_back({v.word(), v.many(p.axes.size()), v.below(5) == 0});
    const Figure g = parallel(p);
    expect_marks(g, count(g.chart.text(), "class=\"mk"));
  });
}

TEST(ChartLaw, MapsCoverACellForEachValueWhateverIsJoined) {
  for_seeds([](Values& v) {
    Heat h;
    h.steps = v.below(2) ? Heat::Steps::about_one : Heat::Steps::share;
    h.high = v.any();
    h.numbers = v.below(2) == 0;
    for (std::size_t i = v.below(8); i > 0; --i) h.rows.push_back(v.word());
    for (std::size_t i = v.below(8); i > 0; --i) h.columns.push_back(v.word());
    h.values = v.many(h.rows.size() * h.columns.size());
    const Figure f = heat(h);
    expect_marks(f, cells_of(f.chart.text()));
  });
}

TEST(ChartLaw, LinesHaveAPointAndPipelinesAPieceForEach) {
  for_seeds([](Values& v) {
    Lines l;
    l.x = v.many(v.below(20));
    std::ranges::sort(l.x, [](double a, double b) { return std::isfinite(a) && (!std::isfinite(b) || a < b); });
    std::erase_if(l.x, [](double x) { return !std::isfinite(x); });
    l.logarithmic_x = v.below(2) == 0;
    for (std::size_t i = v.below(4); i > 0; --i) l.series.push_back({v.word(), v.many(l.x.size())});
    if (v.below(2)) l.at_x.push_back({v.any(), v.word()});
    if (v.below(2)) l.at_y.push_back({v.any(), v.word()});
    const Figure f = lines(l);
    std::size_t points = 0;
    const std::regex path("<path d=\"([^\"]*)\"");
    for (std::sregex_iterator it(f.chart.text().begin(), f.chart.text().end(), path), end; it != end; ++it)
      points += count((*it)[1], "M") + count((*it)[1], "L");
    expect_marks(f, points);
    Gantt g;
    g.to = v.any();
    g.rows = {"0", "1", "2"};
    g.kinds = {{"a", Tone::answer}, {"b", Tone::rest}};
    for (std::size_t i = v.below(40); i > 0; --i)
      g.pieces.push_back({v.below(4), v.below(3), v.any(), v.any(), v.word()});
    const Figure k = gantt(g);
    std::size_t pieces = 0;
    const std::regex filled("<path d=\"([^\"]*z)\"");
    for (std::sregex_iterator it(k.chart.text().begin(), k.chart.text().end(), filled), end; it != end; ++it)
      pieces += count((*it)[1], "M");
    expect_marks(k, pieces);
  });
}
}  // namespace
}  // namespace moesim::pages
