#include "pages/charts/scale.h"

#include <gtest/gtest.h>

#include <cmath>

namespace moesim::pages {
namespace {

TEST(Scale, PlacesValuesBetweenItsEndsAndClampsOthers) {
  const Scale s{10, 20};
  EXPECT_EQ(s.at(10), 0);
  EXPECT_EQ(s.at(15), 0.5);
  EXPECT_EQ(s.at(20), 1);
  EXPECT_EQ(s.at(5), 0);
  EXPECT_EQ(s.at(25), 1);
  EXPECT_EQ(s.at(std::nan("")), 0);
}

TEST(Scale, OfLogarithmsPutsEqualRatiosAtEqualDistances) {
  const Scale s{1, 100, true};
  EXPECT_DOUBLE_EQ(s.at(10), 0.5);
  EXPECT_EQ(s.at(0), 0);
  EXPECT_EQ(s.ticks(8), (std::vector<double>{1, 2, 5, 10, 20, 50, 100}));
  EXPECT_EQ(s.ticks(3), (std::vector<double>{1, 10, 100}));
}

TEST(Scale, HasRoundTicks) {
  EXPECT_EQ((Scale{0, 1}).ticks(4), (std::vector<double>{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ((Scale{3, 60}).ticks(6), (std::vector<double>{10, 20, 30, 40, 50, 60}));
  EXPECT_TRUE((Scale{1, 1}).ticks(4).empty());
}

TEST(Scale, RoundsItsEndsOutwards) {
  const Scale s = round_scale(168'939, 180'000, 4, false);
  EXPECT_EQ(s.from, 165'000);
  EXPECT_EQ(s.to, 180'000);
  EXPECT_EQ(round_scale(0, 71.5, 4, true).to, 80);
  EXPECT_LT(round_scale(5, 5, 4, false).from, 5);  // one value has room either way
  EXPECT_GT(round_scale(5, 5, 4, false).to, 5);
}

TEST(Scale, UnitsAreChosenByTheLargestValue) {
  EXPECT_EQ(axis_unit(0.06, "s").name, "ms");
  EXPECT_EQ(axis_unit(19.4, "s").name, "s");
  EXPECT_EQ(axis_unit(7200, "s").name, "h");
  EXPECT_EQ(axis_unit(8.4e10, "B").name, "GB");
  EXPECT_EQ(axis_unit(300'000, "tokens/s").name, "thousand tokens/s");
  EXPECT_EQ(axis_unit(3'000'000, "tokens/s").name, "million tokens/s");
  EXPECT_EQ(axis_unit(180'000, "h").name, "thousand h") << "a prefix would be of another unit";
  EXPECT_EQ(tick_text(100'000, axis_unit(180'000, "h")), "100");
  EXPECT_EQ(axis_unit(2e12, "tokens").name, "trillion tokens");
  EXPECT_EQ(tick_text(1e12, axis_unit(2e12, "tokens")), "1");
  EXPECT_EQ(axis_unit(0.5, "").name, "");
  EXPECT_EQ(tick_text(0.05, axis_unit(0.06, "s")), "50");
  EXPECT_EQ(tick_text(1500, {1, ""}), "1,500");
}

TEST(Scale, HeadingsHaveThreeDigits) {
  EXPECT_EQ(brief(62'914'560), "62.9 million");
  EXPECT_EQ(brief(290'945'355'837.667), "291 billion");
  EXPECT_EQ(brief(168'938.94), "168,939");
  EXPECT_EQ(brief(0.0838), "0.0838");
  EXPECT_EQ(brief(std::nan("")), "?");
}
}  // namespace
}  // namespace moesim::pages
