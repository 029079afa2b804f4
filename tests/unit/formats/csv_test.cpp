#include "formats/csv.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/config_error.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::formats {
namespace {
using Line = std::pair<std::uint64_t, std::string>;
std::vector<Line> lines_of(LineFile lines) {
  std::vector<Line> out;
  while (lines.next()) out.emplace_back(lines.number(), lines.line());
  return out;
}

TEST(Lines, AreNumberedFromOneWithEitherEnd) {
  EXPECT_EQ(lines_of(LineFile::of_text("\xef\xbb\xbf"
                                       "a\r\n \nb",
                                       "t")),
            (std::vector<Line>{{1, "a"}, {3, "b"}}));
  EXPECT_EQ(lines_of(LineFile::of_text("a\n", "t")), (std::vector<Line>{{1, "a"}}));
  EXPECT_TRUE(lines_of(LineFile::of_text("", "t")).empty());
}

TEST(Lines, OfAFileAreThoseOfItsText) {
  const TemporaryFolder folder;
  std::string text;  // longer than what is read at once, lines across the pieces
  for (int i = 0; i < 300'000; ++i) text += "line " + std::to_string(i) + (i % 7 == 0 ? "\r\n" : "\n");
  std::ofstream(folder.file("a"), std::ios::binary) << text;
  EXPECT_EQ(lines_of(LineFile(folder.file("a"))), lines_of(LineFile::of_text(text, "t")));
}

TEST(Csv, CellsLoseTheSpacesAroundThemAndQuotes) {
  CsvFile csv(LineFile::of_text("# a comment\n 1, two words ,,\"3, 4\"\n", "t"));
  ASSERT_TRUE(csv.next());
  ASSERT_EQ(csv.cells(), 4U);
  EXPECT_EQ(csv.integer(0), 1);
  EXPECT_EQ(csv.text(1), "two words");
  EXPECT_EQ(csv.text(2), "");
  EXPECT_EQ(csv.text(3), "3, 4");
  EXPECT_FALSE(csv.is_number(1));
  EXPECT_EQ(test::refusal_of([&] { (void)csv.number(1); }), "t:2: expected a number, got \"two words\"");
  EXPECT_FALSE(csv.next());
}

TEST(Csv, MessagesNameTheColumn) {
  CsvFile csv(LineFile::of_text("a;b\n12.0;x\n1\n", "t"), ";");
  csv.read_names();
  EXPECT_EQ(csv.column("b"), 1U);
  EXPECT_EQ(test::refusal_of([&] { (void)csv.column("cost"); }), "t:1: missing column \"cost\"; there are: a, b");
  ASSERT_TRUE(csv.next());
  EXPECT_EQ(csv.count(0), 12);
  EXPECT_EQ(test::refusal_of([&] { (void)csv.integer(0); }), "t:2: a: expected an integer, got \"12.0\"");
  EXPECT_EQ(test::refusal_of([&] { (void)csv.seconds(1); }), "t:2: b: expected a number of seconds, got \"x\"");
  EXPECT_EQ(test::refusal_of([&] { csv.next(); }), "t:3: expected 2 cells as in the header, got 1");
}

TEST(Csv, NumbersAreFinite) {
  CsvFile csv(LineFile::of_text("nan,inf,1e999\n", "t"));
  ASSERT_TRUE(csv.next());
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_FALSE(csv.is_number(c));
    EXPECT_EQ(test::refusal_of([&] { (void)csv.number(c); }),
              "t:1: expected a number, got \"" + std::string(csv.text(c)) + "\"");
  }
}

// Half a second and none at all are times; less is not.
TEST(Csv, TimesAreNotNegative) {
  CsvFile csv(LineFile::of_text("0.5,0,-0.5\n", "t"));
  ASSERT_TRUE(csv.next());
  EXPECT_EQ(csv.seconds(0), 0.5);
  EXPECT_EQ(csv.seconds(1), 0);
  EXPECT_EQ(test::refusal_of([&] { (void)csv.seconds(2); }), "t:1: a time must not be negative, got -0.5");
}

TEST(Csv, ALineHasAMillionCells) {
  const std::string line((1 << 20) - 1, ',');
  CsvFile good(LineFile::of_text(line, "t"));
  EXPECT_TRUE(good.next());
  CsvFile bad(LineFile::of_text(line + ",", "t"));
  EXPECT_EQ(test::refusal_of([&] { bad.next(); }), "t:1: the line has more than 1048576 cells");
  std::string names;
  for (int i = 0; i < 200'000; ++i) names += std::to_string(i) + ",";
  CsvFile wide(LineFile::of_text(names, "t"));
  wide.read_names();  // in no time
  EXPECT_EQ(wide.names().size(), 200'001U);
}

TEST(Csv, ATableThatIsReadWhole) {
  const TemporaryFolder folder;
  const std::string file = folder.write("t.csv", "a,b\n1,x\n# nothing\n,yz\n");
  const CsvTable table(file, {"a", "b"});
  ASSERT_EQ(table.rows(), 2U);
  EXPECT_EQ(table.text(0, "a"), "1");
  EXPECT_EQ(table.text(0, "b"), "x");
  EXPECT_EQ(table.text(1, "a"), "");
  EXPECT_EQ(table.text(1, "b"), "yz");
  EXPECT_EQ(table.number(0, "a"), 1);
  EXPECT_EQ(test::refusal_of([&] { (void)table.number(1, "b"); }), file + ":4: b: expected a number, got \"yz\"");
  EXPECT_THROW((void)table.text(2, "a"), std::logic_error) << "there are two rows";
  EXPECT_THROW((void)table.text(0, "c"), std::logic_error);
  EXPECT_EQ(table.integer(0, "a", 1, 1), 1);
  EXPECT_EQ(test::refusal_of([&] { (void)table.integer(0, "a", 2, 3); }), file + ":2: a: expected 2 to 3, got 1");
  EXPECT_EQ(test::refusal_of([&] { (void)table.integer(1, "a"); }), file + ":4: a: expected an integer, got \"\"");
}
}  // namespace
}  // namespace moesim::formats
