#include "results/text_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "core/random.h"

namespace moesim::results {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(TextTable, CutsALongLastCellAtSpaces) {
  std::string words, first;
  for (int i = 0; i < 30; ++i) words += i == 0 ? "word" : " word";  // 149 characters; 22 words are 109
  for (int i = 0; i < 22; ++i) first += i == 0 ? "word" : " word";
  TextTable table({"name", "text"});
  table.add({"a", words});
  EXPECT_EQ(table.text(), "name  text\na     " + first + "\n      " + words.substr(first.size() + 1) + "\n");
  TextTable one({"text"});
  one.add({std::string(200, 'x')});  // nowhere to cut
  EXPECT_EQ(one.text(), "text\n" + std::string(200, 'x') + "\n");
}

TEST(TextTable, PutsNumbersToTheRight) {
  TextTable table({"name", "time"});
  table.add({"a", "1.5 ms"});
  table.add({"long name", "12 ms"});
  EXPECT_EQ(table.text(), "name         time\na          1.5 ms\nlong name   12 ms\n");
}

TEST(TextTable, WrapsHeadersAndTextsBeforeItSplits) {
  TextTable table({"name", "waiting for slower GPUs", "where it comes from"});
  table.add({"a", "1.5 ms", "a sentence that is longer than its share"});
  EXPECT_EQ(table.text(0, 40),
            "name   waiting for  where it comes from\n"
            "       slower GPUs\n"
            "a           1.5 ms  a sentence that is\n"
            "                    longer than its\n"
            "                    share\n");
}

TEST(TextTable, ColumnsThatDoNotFitFollowBehindTheKeys) {
  TextTable table({"name", "first", "second", "third"});
  table.add({"row", "1234567890 MB", "2345678901 MB", "3456789012 MB"});
  EXPECT_EQ(table.text(2, 40),
            "  name          first         second\n"
            "  row   1234567890 MB  2345678901 MB\n"
            "\n"
            "  name          third\n"
            "  row   3456789012 MB\n");
}

/// Cells of every kind: figures with units, words, sentences, names without spaces.
std::string cell_of(Random& random, bool figure) {
  if (figure) return std::to_string(random.below(1'000'000)) + (random.below(2) == 0 ? "" : " GB");
  std::string out;
  for (std::uint64_t words = random.below(9); words > 0; --words)
    out += (out.empty() ? "" : " ") + std::string(1 + random.below(14), char('a' + random.below(26)));
  return out;
}

TEST(TextTable, FitsEveryWidthAndKeepsEveryFigureWhole) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed, "tables");
    const std::size_t columns = 1 + random.below(9), rows = 1 + random.below(5), width = 40 + random.below(80);
    std::vector<bool> figures;
    std::vector<std::string> header;
    for (std::size_t c = 0; c < columns; ++c) {
      figures.push_back(random.below(2) == 0);
      header.push_back("h" + std::to_string(c) + " of it");
    }
    TextTable table(header);
    std::vector<std::string> wanted;
    for (std::size_t r = 0; r < rows; ++r) {
      std::vector<std::string> row;
      for (std::size_t c = 0; c < columns; ++c) {
        row.push_back(cell_of(random, figures[c]));
        if (figures[c]) wanted.push_back(row.back());
      }
      table.add(row);
    }
    const std::string text = table.text(2, width);
    for (const std::string& line : lines_of(text)) EXPECT_LE(line.size(), width) << "seed " << seed << "\n" << text;
    for (const std::string& figure : wanted) EXPECT_NE(text.find(figure), text.npos) << "seed " << seed << "\n" << text;
  }
}
}  // namespace
}  // namespace moesim::results
