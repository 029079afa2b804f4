#include "core/lines.h"

#include <gtest/gtest.h>

#include <string>

namespace moesim {
namespace {
using Line = std::pair<int, std::string>;
std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> out;
  for_each_line(text, [&](int number, std::string_view line) { out.emplace_back(number, line); });
  return out;
}

TEST(Lines, AreNumberedFromOneWithEitherEnd) {
  EXPECT_EQ(lines_of("a\r\n\nb"), (std::vector<Line>{{1, "a"}, {2, ""}, {3, "b"}}));
  EXPECT_EQ(lines_of("a\n"), (std::vector<Line>{{1, "a"}}));
  EXPECT_TRUE(lines_of("").empty());
}

TEST(Cells, LoseTheSpacesAroundThem) {
  EXPECT_EQ(split_cells(" 1, two words ,,3"), (std::vector<std::string_view>{"1", "two words", "", "3"}));
  EXPECT_EQ(split_cells(""), (std::vector<std::string_view>{""}));
}
}  // namespace
}  // namespace moesim
