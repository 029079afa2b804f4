#include "core/utf8.h"

#include <gtest/gtest.h>

namespace moesim::core {
namespace {

TEST(Utf8, WhatIsTextAndWhatIsNot) {
  EXPECT_EQ(as_utf8("plain, \xC3\xA9, \xE2\x96\x81, \xF0\x9F\x8F\xBD"),
            "plain, \xC3\xA9, \xE2\x96\x81, \xF0\x9F\x8F\xBD");
  // alone, cut off, overlong, a surrogate, beyond the last character
  for (const char* bytes : {"\x80", "\xC3", "\xE2\x96", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"})
    EXPECT_FALSE(is_utf8(bytes));
  EXPECT_EQ(as_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(one_line("a\nz\xFF\x7F"), "a\\nz\xEF\xBF\xBD\\x7f");
  EXPECT_EQ(one_line("\x1b[2J\t\xC2\x9B\xC2\xA0"), "\\x1b[2J\\x09\\x9b\xC2\xA0");
  EXPECT_EQ(without_controls("\x1b[2J\ta\nz\r\xC2\x9B\x7F\xFF"), "\\u001b[2J\ta\nz\\u000d\\u009b\\u007f\xEF\xBF\xBD");
  EXPECT_EQ(shortened("0123456789", 10), "0123456789");
  EXPECT_EQ(shortened("0123\xC3\xA9"
                      "456789x",
                      10),
            "0123 [...] 6789x");
}
}  // namespace
}  // namespace moesim::core
