#include "pages/charts/charts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace moesim::pages {
namespace {
bool holds(const Html& h, std::string_view part) { return h.text().find(part) != std::string::npos; }

TEST(Bars, StandWhereTheOneAboveEnds) {
  const Figure f = bars({"aria",
                         "part",
                         "time",
                         {{"a", 0, 3, "3 s", "", Tone::answer}, {"b", 3, 4, "1 s", "", Tone::alert}},
                         4,
                         "s",
                         {}});
  EXPECT_TRUE(holds(f.chart, "x=\"0%\" width=\"75%\""));
  EXPECT_TRUE(holds(f.chart, "x=\"75%\" width=\"25%\""));
  EXPECT_EQ(f.table.rows[1][1].text, "1.00 s");
  EXPECT_EQ(f.marks, 2u);
}

TEST(Bars, LeaveOutWhatIsNoLength) {
  const Figure f = bars({"aria",
                         "part",
                         "time",
                         {{"a", 0, std::nan(""), "", "", Tone::answer}, {"b", 0, -1, "", "", Tone::answer}},
                         0,
                         "",
                         {}});
  EXPECT_EQ(f.marks, 0u);
  EXPECT_TRUE(f.table.rows.empty());
}

// The first column names the row; a column of numbers, or of none, stands at the right, one with a word at the left.
TEST(Tables, HaveNamesNumbersAndWords) {
  const Html t =
      table_html({"",
                  {"name", "time", "why"},
                  {{cell("a"), cell(1.5, "s"), cell("x")}, {cell("b"), cell(std::optional<double>{}), cell(2.0, "")}}});
  EXPECT_TRUE(holds(t, "<th scope=\"col\" class=\"l\"><button type=\"button\">name</button></th>")) << t.text();
  EXPECT_TRUE(holds(t, "<th scope=\"col\"><button type=\"button\">time</button></th>")) << t.text();
  EXPECT_TRUE(holds(t, "<th scope=\"col\" class=\"l\"><button type=\"button\">why</button></th>")) << t.text();
  EXPECT_TRUE(holds(t, "<tr><th scope=\"row\">a</th><td data-v=\"1.5\">1.50\u00a0s</td><td class=\"l\">x</td></tr>"))
      << t.text();
  EXPECT_TRUE(holds(t, "<tr><th scope=\"row\">b</th><td></td><td class=\"l\" data-v=\"2\">2</td></tr>")) << t.text();
}

TEST(Stacks, PutPartsEndToEndAndALimitAtItsPlace) {
  const Figure f = stacks({"aria",
                           "stage",
                           {{"weights", Tone::rest}, {"activations", Tone::answer}},
                           {{"0", {20, 30}, "50 B"}},
                           "B",
                           {{100, "holds"}},
                           0});
  EXPECT_TRUE(holds(f.chart, "x=\"0%\" width=\"20%\""));
  EXPECT_TRUE(holds(f.chart, "x=\"20%\" width=\"30%\""));
  EXPECT_TRUE(holds(f.chart, "x1=\"100%\" x2=\"100%\""));
  EXPECT_EQ(data_of(f), 2u);
}

TEST(Lines, HaveTheirNamesAtTheirEndsWhereThereIsRoomElseAKey) {
  Lines l;
  l.x = {0, 1};
  l.series = {{"upper", {0, 100}}, {"lower", {0, 20}}};
  l.height = 100;
  const Figure apart = lines(l);  // ends at y 12 and 92: the first is too high for a name above it
  EXPECT_TRUE(holds(apart.chart, "y=\"27\" class=\"halo e b a\">upper</text>")) << apart.chart.text();
  EXPECT_TRUE(holds(apart.chart, "y=\"87\" class=\"halo e\">lower</text>"));
  EXPECT_FALSE(holds(apart.chart, "class=\"note key\""));
  l.series[1].y[1] = 96;
  const Figure close = lines(l);
  EXPECT_FALSE(holds(close.chart, "upper</text>"));
  EXPECT_TRUE(holds(close.chart, "class=\"note key\""));
}

TEST(Scatter, DrawsTargetsAndReachesThem) {
  Scatter s;
  s.x_name = "x", s.y_name = "y";
  s.dots = {{50, 10, "a", "", "a", Scatter::Look::chosen}};
  s.at_x = {{100, "target 100"}};
  const Figure f = scatter(s);
  EXPECT_TRUE(holds(f.chart, "class=\"limit\""));
  EXPECT_TRUE(holds(f.chart, "target 100</text>"));
  EXPECT_FALSE(holds(f.chart, "x1=\"200%\"")) << "the axis ends beyond it";
  EXPECT_EQ(f.marks, 1u);
}

TEST(Tables, OfManyRowsComeInPartsOfWhichTheFirstIsLaidOut) {
  DataTable t{"", {"a"}, {}};
  for (int i = 0; i < 250; ++i) t.rows.push_back({cell(double(i))});
  const std::string text = table_html(t).text();
  std::size_t parts = 0;
  for (std::size_t at = 0; (at = text.find("<tbody hidden>", at)) != std::string::npos; ++at) ++parts;
  EXPECT_EQ(parts, 2u);
  t.rows.resize(100);
  EXPECT_EQ(table_html(t).text().find("<tbody hidden>"), std::string::npos);
}

TEST(Lines, BreakWhereAValueIsMissing) {
  Lines l;
  l.x = {0, 1, 2, 3};
  l.series = {{"a", {1, std::nan(""), 2, 4}}};
  l.height = 100;
  const Figure f = lines(l);
  EXPECT_TRUE(holds(f.chart, "d=\"M0 75M6667 50L10000 0\"")) << f.chart.text();
  EXPECT_EQ(f.marks, 3u);
}

TEST(Lines, SayThatAnAxisIsLogarithmic) {
  Lines l;
  l.x = {0.1, 1, 100}, l.x_name = "took at most", l.x_unit = "s";
  l.series.push_back({"", {1, 2, 3}});
  EXPECT_FALSE(holds(lines(l).chart, "logarithmic"));
  l.logarithmic_x = true;
  EXPECT_TRUE(holds(lines(l).chart, ">took at most, s (logarithmic)</text>"));
}

TEST(Lines, BeginAtOneHeightBesideOthersWithMoreAboveThem) {
  Lines plain, guided;
  plain.x = guided.x = {0, 1};
  plain.series = guided.series = {{"one", {1, 2}}};
  guided.at_x = {{0.5, "target"}};
  plain.rows_above = 1;
  const std::string_view begins = "<svg class=\"area\" y=\"28\"";
  EXPECT_TRUE(holds(lines(plain).chart, begins));
  EXPECT_TRUE(holds(lines(guided).chart, begins));
  EXPECT_FALSE(holds(lines(plain).chart, "class=\"note key\""));
  plain.keyed = true;
  EXPECT_TRUE(holds(lines(plain).chart, "class=\"note key\""));
}

TEST(Lines, NumberTheLastTickOfTheirAxis) {
  for (const double last : {30.0, 120.0, 545.0, 1000.0, 58.0}) {
    Lines l;
    l.x = {0, last}, l.series = {{"", {1, 2}}};
    const std::string chart = lines(l).chart.text();
    const std::size_t axis = chart.find("class=\"axis\"/>", chart.rfind("class=\"grid\""));
    const std::size_t tick = chart.rfind("class=\"axis\"/>", chart.find("class=\"area\""));
    ASSERT_NE(axis, std::string::npos);
    EXPECT_EQ(chart.substr(tick + 14, 5), "<text") << last;
    EXPECT_EQ(chart.substr(tick, chart.find('>', tick + 16) - tick).find("wide"), std::string::npos) << last;
  }
}

TEST(Lines, PutWordsOfMarksThatDoNotTouchIntoOneLine) {
  Lines l;
  l.x = {0, 100}, l.series = {{"", {1, 2}}};
  l.at_x = {{10, "1"}, {30, "2"}, {90, "3"}};
  EXPECT_TRUE(holds(lines(l).chart, "<svg class=\"area\" y=\"28\""));
  l.at_x = {{10, "a long word of it"}, {11, "another long word"}};
  EXPECT_TRUE(holds(lines(l).chart, "<svg class=\"area\" y=\"44\""));
}

TEST(Heat, HasRoundMomentsAlongTime) {
  Heat h;
  h.rows = {"0"}, h.column_name = "time in the step", h.until = 0.0183;
  for (int c = 0; c < 100; ++c) h.columns.push_back(""), h.values.push_back(1);
  const Figure f = heat(h);
  EXPECT_TRUE(holds(f.chart, ">5</text>") && holds(f.chart, ">15</text>")) << f.chart.text();
  EXPECT_TRUE(holds(f.chart, ">time in the step, ms</text>"));
}

TEST(Heat, JoinsNeighboursOfOneStep) {
  Heat h;
  h.rows = {"3", "4"};
  h.columns = {"0", "1", "2"};
  h.values = {1, 1, 3, 0.1, std::nan(""), 1};
  const Figure f = heat(h);
  EXPECT_TRUE(holds(f.chart, "d=\"M0 0h2v1h-2zM2 1h1v1h-1z\" class=\"v4\"")) << f.chart.text();
  EXPECT_TRUE(holds(f.chart, "d=\"M2 0h1v1h-1z\" class=\"v8\""));
  EXPECT_TRUE(holds(f.chart, "d=\"M0 1h1v1h-1z\" class=\"v0\""));
  EXPECT_EQ(f.marks, 5u);
}

TEST(Heat, BlocksKeepTheLargestWhereThereAreTooManyCells) {
  Heat h;
  h.rows = {"0"};
  for (std::size_t c = 0; c < 2 * kMostCells; ++c)
    h.columns.push_back(fmt::to_string(c)), h.values.push_back(c == 7 ? 9.0 : 1.0);
  const Figure f = heat(h);
  EXPECT_EQ(f.marks, kMostCells);
  EXPECT_EQ(f.table.columns[4], "6 to 7");
  EXPECT_EQ(f.table.rows[0][4].value, 9.0);
}

TEST(Gantt, DrawsPiecesAtTheirTimesAndNoneOutside) {
  Gantt g;
  g.rows = {"0", "1"};
  g.kinds = {{"forward", Tone::light}};
  g.to = 10;
  g.pieces = {{0, 0, 0, 5, "micro-batch 0"},
              {1, 0, 5, 10, "micro-batch 0"},
              {1, 0, 11, 12, "later"},
              {7, 0, 0, 1, "no such row"}};
  const Figure f = gantt(g);
  EXPECT_TRUE(holds(f.chart, "M0 0h5000v14h-5000zM5000 16h5000v14h-5000z")) << f.chart.text();
  EXPECT_EQ(f.marks, 2u);
  EXPECT_EQ(f.table.rows[1][3].value, 5.0);
}

TEST(Scatter, JoinsTheFrontFromLeftToRight) {
  using Look = Scatter::Look;
  Scatter s;
  s.dots = {{8, 1, "b", "", "", Look::front}, {2, 4, "a", "", "", Look::chosen}, {1, 1, "c", "", "", Look::rejected}};
  const std::string drawn = scatter(s).chart.text();
  const std::size_t at = drawn.find("<path d=\"M");
  ASSERT_NE(at, std::string::npos);
  const std::string d = drawn.substr(at + 9, drawn.find('"', at + 9) - at - 9);
  EXPECT_EQ(std::count(d.begin(), d.end(), 'L'), 1);  // of the rejected one nothing
  EXPECT_LT(std::stod(d.substr(1)), std::stod(d.substr(d.find('L') + 1)));
  s.dots.erase(s.dots.begin());
  EXPECT_EQ(scatter(s).chart.text().find("<path"), std::string::npos);  // of one there is no line
}

TEST(Scatter, JoinsNoFrontOfOtherAxes) {
  using Look = Scatter::Look;
  Scatter s;
  s.dots = {{1, 10, "a", "", "a", Look::chosen}, {9, 10, "b", "", "b", Look::front}};
  s.joined = false;
  EXPECT_EQ(scatter(s).chart.text().find("<path"), std::string::npos);
}

TEST(Tables, PartNoFigureFromItsUnit) {
  const std::string table =
      table_html({"", {"a", "b"}, {{cell("x 1 s"), cell("TPOT p90 64.7 ms of 80.0 ms, 5 of 6")}}}).text();
  EXPECT_NE(table.find("TPOT p90 64.7\u00a0ms of 80.0\u00a0ms, 5 of 6"), std::string::npos) << table;
}

TEST(Scatter, NamesTheFrontAloneAndOnlyWhereThereIsRoom) {
  Scatter s;
  s.dots = {{50, 100, "chosen one", "", "8 GPUs", Scatter::Look::chosen},
            {50, 100, "same place", "", "16 GPUs", Scatter::Look::front},
            {10, 20, "fell", "why", "4 GPUs", Scatter::Look::rejected}};
  for (int i = 0; i < 40; ++i) s.dots.push_back({50, 100, "crowd", "", "crowd", Scatter::Look::front});
  const Figure f = scatter(s);
  EXPECT_EQ(f.marks, 43u);
  EXPECT_TRUE(holds(f.chart, ">8 GPUs<"));
  EXPECT_FALSE(holds(f.chart, ">4 GPUs<"));
  std::size_t names = 0;
  for (std::size_t at = 0; (at = f.chart.text().find(">crowd<", at)) != std::string::npos; ++at) ++names;
  EXPECT_LT(names, 12u);
}

TEST(Grid, ShortensNamesOfColumnsThatATelephoneCannotHold) {
  Grid g;
  g.columns = {"decode, 2,000 in and 100 out", "prefill"};
  g.rows = {{"a", {0.5, std::nan("")}}};
  const Figure f = grid(g);
  EXPECT_TRUE(holds(f.chart, ">A</text>"));
  EXPECT_TRUE(holds(f.chart, "A: decode, 2,000 in and 100 out, B: prefill"));
  EXPECT_EQ(f.marks, 1u);
}

TEST(Dots, HaveALineOfTextEach) {
  const Figure f =
      dots({"aria", "h", {{"simulated", "168,939 h", 168'939, false}, {"published", "168,940 h", 168'940, true}}});
  EXPECT_TRUE(holds(f.chart, "y=\"12\""));
  EXPECT_TRUE(holds(f.chart, "y=\"28\""));
  EXPECT_EQ(f.marks, 2u);
}
}  // namespace
}  // namespace moesim::pages
