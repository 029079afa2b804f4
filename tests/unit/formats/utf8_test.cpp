#include "formats/utf8.h"

#include "formats/one_line.h"

#include <gtest/gtest.h>

namespace moesim::formats {
namespace {

TEST(Utf8, WhatIsTextAndWhatIsNot) {
  EXPECT_EQ(as_utf8("plain, \xC3\xA9, \xE2\x96\x81, \xF0\x9F\x8F\xBD"),
            "plain, \xC3\xA9, \xE2\x96\x81, \xF0\x9F\x8F\xBD");
  // alone, cut off, overlong, a surrogate, beyond the last character
  for (const char* bytes : {"\x80", "\xC3", "\xE2\x96", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"})
    EXPECT_FALSE(is_utf8(bytes));
  EXPECT_EQ(as_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(in_one_line("a\nz\xFF\x7F"), "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
}
}  // namespace
}  // namespace moesim::formats
