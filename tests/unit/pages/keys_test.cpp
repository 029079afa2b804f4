// Figures at the head of a page.
#include <gtest/gtest.h>

#include "pages/studies/common.h"

namespace moesim::pages {
namespace {
std::string shown(const std::string& metric, double value, const std::string& unit = "") {
  Facts f;
  f.metrics[{"run", metric}] = {value, unit};
  Page page;
  add_key(page, f, "label", metric, "beside");
  return page.keys.at(0).shown;
}

TEST(Keys, SharesAreInPerCentAndOthersInTheirUnit) {
  for (const char* share : {"mfu_bf16_causal", "goodput_share", "run_goodput", "gap_to_bound"}) {
    EXPECT_EQ(shown(share, 0.5), "50.0 %") << share;
    EXPECT_EQ(shown(share, 0.005), "0.50 %") << share;
  }
  EXPECT_EQ(shown("step_time", 0.5, "s"), "500 ms");
}

TEST(Keys, WhatWasNotStoredIsNotAdded) {
  Page page;
  add_key(page, Facts{}, "label", "step_time", "");
  EXPECT_TRUE(page.keys.empty());
}
}  // namespace
}  // namespace moesim::pages
