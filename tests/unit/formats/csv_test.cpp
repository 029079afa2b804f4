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
}  // namespace
}  // namespace moesim::formats
