// How pages call figures, and in which unit long durations stand.
#include <gtest/gtest.h>

#include <cmath>

#include "pages/studies/common.h"

namespace moesim::pages {
namespace {
TEST(Words, AreTheFields) {
  EXPECT_EQ(words_of("gpu_hours_per_trillion_tokens"), "GPU-hours per trillion tokens");
  EXPECT_EQ(words_of("exposed_communication_time"), "exposed communication");
  EXPECT_EQ(words_of("kv_cache"), "KV cache");
  EXPECT_EQ(spaced("ttft_p99"), "TTFT p99");
  EXPECT_EQ(spaced("gpu failures"), "GPU failures");
  EXPECT_EQ(spaced("hours"), "hours");
  EXPECT_EQ(spaced(""), "");
  EXPECT_EQ(scope_words("pool:both"), "pool both");
  EXPECT_EQ(scope_words("phase:decode"), "decode");
  EXPECT_EQ(scope_words("run"), "run");
}

TEST(Words, OfFiguresAlikeAsWrittenNobodyIsToldThatOneIsLarger) {
  EXPECT_EQ(apart("118 ms", "118 ms", html("differ"), html("alike")).text(), "alike");
  EXPECT_EQ(apart("118 ms", "117 ms", html("differ"), html("alike")).text(), "differ");
}

TEST(LongUnit, IsHoursWhereAllOfThePageIsWithinTwoDays) {
  Facts f;
  EXPECT_EQ(long_unit(f, 0.1875).text(0.1875), "4.5 hours");
  EXPECT_EQ(long_unit(f, 2).text(2), "48 hours");
  EXPECT_EQ(long_unit(f, 2.01).text(2.01), "2.01 days");
  EXPECT_EQ(long_unit(f, NAN).name, "days");
  f.settings["size.targets.days"] = "60";  // the target is in the answer's unit
  EXPECT_EQ(long_unit(f, 0.5).text(0.5), "0.5 days");
  f.settings["size.targets.days"] = "1";
  EXPECT_EQ(long_unit(f, 0.19).text(1), "24 hours");
  f.metrics[{"run", "run_days"}] = {3, "days"};  // and so is the run with what interrupts it
  EXPECT_EQ(long_unit(f, 0.19).name, "days");
}
}  // namespace
}  // namespace moesim::pages
