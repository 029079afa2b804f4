// What the colours of a page must hold, read from its style.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <regex>
#include <string>
#include <vector>

#include "pages/assets.h"

namespace moesim::pages {
namespace {
/// Relative luminance of "#rrggbb" (WCAG 2.2).
double luminance(const std::string& colour) {
  const auto channel = [&](std::size_t at) {
    const double c = double(std::strtol(colour.substr(at, 2).c_str(), nullptr, 16)) / 255;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}
double contrast(const std::string& a, const std::string& b) {
  const double one = luminance(a), other = luminance(b);
  return (std::max(one, other) + 0.05) / (std::min(one, other) + 0.05);
}
/// What a token is in each block that gives it: light, dark, dark by the system, print.
std::vector<std::string> values_of(const std::string& style, const std::string& token) {
  std::vector<std::string> out;
  const std::regex given("--" + token + ": (#[0-9a-f]{6})");
  for (std::sregex_iterator i(style.begin(), style.end(), given), end; i != end; ++i) out.push_back((*i)[1]);
  return out;
}

TEST(Colours, OfWorkStandOutFromIdleInEveryScheme) {
  EXPECT_NEAR(contrast("#000000", "#ffffff"), 21, 1e-9);
  const std::string style = asset("page.css");
  const std::vector<std::string> idle = values_of(style, "wash");
  ASSERT_EQ(idle.size(), 4u);
  for (const char* token : {"answer", "k1", "k2", "k3", "k4", "ink", "alert"}) {
    const std::vector<std::string> work = values_of(style, token);
    ASSERT_EQ(work.size(), idle.size()) << token;
    for (std::size_t i = 0; i < idle.size(); ++i)
      EXPECT_GE(contrast(work[i], idle[i]), 3) << token << ", block " << i << " of the style";
  }
}
}  // namespace
}  // namespace moesim::pages
