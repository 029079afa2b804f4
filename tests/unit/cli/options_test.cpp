// Options that are words of their own.
#include "cli/options.h"

#include <gtest/gtest.h>

#include "support/refusal.h"

namespace moesim::cli {
namespace {

TEST(Ranges, BothEndsAreNumbers) {
  EXPECT_EQ(parse_ranges({"0-2", "5"}, "--x"), (std::set<std::uint32_t>{0, 1, 2, 5}));
  for (const char* word : {"3-", "3-x", "0-99999999999", "3-1", "-3", "3--4", ""})
    EXPECT_EQ(test::refusal_of([&] { (void)parse_ranges({word}, "--x"); }),
              std::string("--x: expected numbers and ranges such as 0-7,16, got \"") + word + "\"");
}

TEST(Shard, IsTwoNumbersThatDoNotWrap) {
  EXPECT_EQ(parse_shard("3/4"), std::pair(3, 4));
  for (const std::string text : {"4294967297/4", "1/4294967300", "1/", "/4", "1/4x", " 1/4", "1/ 4", "+1/4", ""})
    EXPECT_EQ(test::refusal_of([&] { (void)parse_shard(text); }),
              "--shard: expected I/N, for example 1/4, got \"" + text + "\"");
}

TEST(Window, EndsAfterItBegins) {
  EXPECT_EQ(parse_window("1ms:5ms"), std::pair(1_ms, 5_ms));
  EXPECT_EQ(parse_window(":5ms").first, 0_ms);
  EXPECT_EQ(parse_window("5ms:").second, Time{INT64_MAX});
  for (const std::string text : {"5ms:1ms", "5ms:5ms", ":0ms"})
    EXPECT_EQ(test::refusal_of([&] { (void)parse_window(text); }),
              "--timeline-window: must end after it begins, got \"" + text + "\"");
}
}  // namespace
}  // namespace moesim::cli
