#include "pages/charts/markup.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace moesim::pages {
namespace {

TEST(Markup, TextIsEscapedWhereItEntersAndMarkupIsNot) {
  const Html inner = html("<b>{}</b>", "<script>alert(\"1\")</script> & 'x'");
  EXPECT_EQ(inner.text(), "<b>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;</b>");
  EXPECT_EQ(html("<p title=\"{}\">{}</p>", "\" onload=\"x", inner).text(),
            "<p title=\"&quot; onload=&quot;x\">" + inner.text() + "</p>");
}

TEST(Markup, LongNamesBreakBehindUnderscoresAlone) {
  EXPECT_EQ(breakable("8 tokens, two_batch").text(), "8 tokens, two_batch");
  EXPECT_EQ(breakable("eplb_hierarchical, <8>").text(), "eplb_<wbr>hierarchical, &lt;8&gt;");
  EXPECT_EQ(breakable("a_").text(), "a_");
  EXPECT_EQ(breakable("").text(), "");
}

TEST(Markup, NumbersStandAsTheyAre) {
  EXPECT_EQ(html("<a b=\"{}\">{:.2f}</a>", 3, 0.125).text(), "<a b=\"3\">0.12</a>");
}

TEST(Markup, WhatIsNoUtf8OrSteersATerminalIsReplaced) {
  EXPECT_EQ(escaped("a\xff"
                    "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(escaped("a\x1b[31m"), "a\\u001b[31m");
}

TEST(Markup, CoordinatesHaveThreeDigitsAndAreAlwaysNumbers) {
  EXPECT_EQ(coordinate(1.0 / 3), "0.333");
  EXPECT_EQ(coordinate(10), "10");
  EXPECT_EQ(coordinate(-0.0001), "0");
  EXPECT_EQ(coordinate(std::nan("")), "0");
  EXPECT_EQ(coordinate(std::numeric_limits<double>::infinity()), "0");
  EXPECT_EQ(percent(5.0 / 12), "41.667%");
}
}  // namespace
}  // namespace moesim::pages
