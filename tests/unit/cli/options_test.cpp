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
}  // namespace
}  // namespace moesim::cli
