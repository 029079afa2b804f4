// What a run will take, in the words and digits that the user reads before it starts.
#include "core/estimate.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace moesim::core {
namespace {
constexpr double kHour = 3600, kDay = 24 * kHour, kYear = 365 * kDay;

TEST(RoundedTime, SecondsHaveTwoDigitsAndNoExponent) {
  EXPECT_EQ(rounded_time(0), "less than 1 s");
  EXPECT_EQ(rounded_time(0.99), "less than 1 s");
  EXPECT_EQ(rounded_time(1), "1 s");
  EXPECT_EQ(rounded_time(2.44), "2.4 s");
  EXPECT_EQ(rounded_time(40), "40 s");
  EXPECT_EQ(rounded_time(99.4), "99 s");
  EXPECT_EQ(rounded_time(99.6), "100 s");
  EXPECT_EQ(rounded_time(115.3), "115 s");
}

TEST(RoundedTime, AUnitBeginsWhereTwoOfItAre) {
  EXPECT_EQ(rounded_time(120), "2 min");
  EXPECT_EQ(rounded_time(2 * kHour - 60), "119 min");
  EXPECT_EQ(rounded_time(2 * kHour), "2 h");
  EXPECT_EQ(rounded_time(2 * kDay - kHour), "47 h");
  EXPECT_EQ(rounded_time(2 * kDay), "2 days");
  EXPECT_EQ(rounded_time(2 * kYear - kDay), "729 days");
  EXPECT_EQ(rounded_time(2 * kYear), "2 years");
  EXPECT_EQ(rounded_time(1234 * kYear), "1,234 years");
}

TEST(RoundedBytes, ThreeDigitsAndTheUnitTheyRoundTo) {
  EXPECT_EQ(rounded_bytes(0), "0 B");
  EXPECT_EQ(rounded_bytes(999), "999 B");
  EXPECT_EQ(rounded_bytes(1000), "1 kB");
  EXPECT_EQ(rounded_bytes(999'400), "999 kB");
  EXPECT_EQ(rounded_bytes(999'500), "1 MB");  // not 1e+03 kB
  EXPECT_EQ(rounded_bytes(3.21e9), "3.21 GB");
  EXPECT_EQ(rounded_bytes(5e20), "500 EB");
}

TEST(RoundedCount, CommasWhereItIsShort) {
  EXPECT_EQ(rounded_count(7), "7");
  EXPECT_EQ(rounded_count(999), "999");
  EXPECT_EQ(rounded_count(1000), "1,000");
  EXPECT_EQ(rounded_count(2e9), "2,000,000,000");
  EXPECT_EQ(rounded_count(3.2e15), "3.2e+15");
}

TEST(Estimate, SumsItsPartsAndNamesTheLargest) {
  Estimate one;
  EXPECT_THROW((void)one.largest(), std::logic_error);
  one.hold("a", "one of one", 1);
  EXPECT_EQ(one.largest().key, "a");
  one.hold("b", "much", 3);
  one.hold("c", "less", 2);
  EXPECT_EQ(one.largest().key, "b");
  EXPECT_EQ(one.bytes(), 6);
}
}  // namespace
}  // namespace moesim::core
