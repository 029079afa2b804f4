#include "core/terminal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/log.h"
#include "core/typed_list.h"

namespace moesim::core {
namespace {

TEST(Folded, GoesOnUnderTheLastColumn) {
  EXPECT_EQ(folded("  name   what it is, in more words than fit here\nshort\n", 40),
            "  name   what it is, in more words than\n"
            "         fit here\n"
            "short\n");
}

TEST(Folded, ProseGoesOnTwoSpacesInAndWordsStayWhole) {
  EXPECT_EQ(folded("one two three four five six seven eight nine", 40),
            "one two three four five six seven eight\n  nine");
  const std::string path(60, 'x');
  EXPECT_EQ(folded("in " + path + " there", 40), "in " + path + "\n  there");
}

TEST(Folded, NothingIsFoldedWhereThereIsNoTerminal) {
  const std::string line(500, 'x');
  EXPECT_EQ(folded(line, 0), line);
  if (isatty(STDOUT_FILENO) == 0) {
    EXPECT_EQ(terminal_width(), 0u);
  }
}

TEST(PiecesOf, BreaksNoCharacterInTwo) {
  const std::string text = "\u00e9\u00e9\u00e9\u00e9\u00e9";  // two bytes each
  for (const std::string& piece : pieces_of(text, 3)) EXPECT_EQ(piece.size() % 2, 0u);
  EXPECT_EQ(pieces_of("train-mixtral-8x22b", 10), (std::vector<std::string>{"train-", "mixtral-", "8x22b"}));
}

TEST(TypedList, CommasOrSpaces) {
  using List = std::vector<std::string>;
  EXPECT_EQ(typed_list("a,b,c"), (List{"a", "b", "c"}));
  EXPECT_EQ(typed_list("a, b,c "), (List{"a", "b", "c"}));
  EXPECT_EQ(typed_list("a b  c"), (List{"a", "b", "c"}));
  EXPECT_EQ(typed_list("5 s 10 s"), (List{"5 s", "10 s"}));
  EXPECT_EQ(typed_list("0.5 ms, 3 s"), (List{"0.5 ms", "3 s"}));
  EXPECT_EQ(typed_list("h100"), (List{"h100"}));
  EXPECT_EQ(typed_list("1,,2"), (List{"1", "", "2"}));  // whoever reads it says what is missing
}

TEST(ProgressLine, SaysUnitsAndTheTimeLeft) {
  EXPECT_EQ(progress_line("serving", 12, 60, "s simulated", 3, "", 120),
            "serving [======                        ] 12 of 60 s simulated, 12 s left");
  EXPECT_EQ(progress_line("recording", 1'200'000, 4'800'000, "tokens", 60, "", 90),
            "recording [====            ] 1.2 of 4.8 M tokens, 3 min left");
  EXPECT_EQ(progress_line("exporting", 3'000'000'000, 12'000'000'000, "B", 0.5, "x", 90),
            "exporting [====            ] 3.0 of 12.0 GB  x");
  EXPECT_EQ(progress_line("drawing", 350, 0, "tokens", 9, "", 90), "drawing 350 tokens");
}

TEST(ProgressLine, StaysWithinTheLine) {
  EXPECT_EQ(progress_line("exporting", 1, 2, "B", 5, std::string(300, 'x'), 79).size(), 79u);
}
}  // namespace
}  // namespace moesim::core
