// What is said of a timeline's size before the run that writes it.
#include <gtest/gtest.h>

#include "runs/affordable.h"

namespace moesim::runs {
namespace {
results::SpanFilter filter(std::set<std::uint32_t> gpus, Time from = {0}, Time to = {INT64_MAX}) {
  results::SpanFilter out;
  out.gpus = std::move(gpus), out.from = from, out.to = to;
  return out;
}

// 110 bytes a span, in the head.
TEST(TimelineSize, IsThatOfTheGpusAndTheTimeChosen) {
  const Estimate::Spans all{10'000, 8, 20};
  EXPECT_EQ(timeline_text(all, filter({})), "about 1.1 MB (10,000 spans)");
  EXPECT_EQ(timeline_text(all, filter({0, 1})), "about 275 kB (2,500 spans)");
  EXPECT_EQ(timeline_text(all, filter({}, from_seconds(5), from_seconds(10))), "about 275 kB (2,500 spans)");
  EXPECT_EQ(timeline_text(all, filter({}, from_seconds(15))), "about 275 kB (2,500 spans)");  // to the end
  EXPECT_EQ(timeline_text(all, filter({0, 1}, from_seconds(5), from_seconds(10))), "about 68.8 kB (625 spans)");
  EXPECT_EQ(timeline_text(all, filter({}, from_seconds(30))), "about 0 B (0 spans)");  // after the end
}

TEST(TimelineSize, OfAWindowInWhatLastsNobodyKnowsIsAtMostThat) {
  const Estimate::Spans all{10'000, 8, 0};
  EXPECT_EQ(timeline_text(all, filter({}, from_seconds(5))), "at most 1.1 MB (10,000 spans)");
}

TEST(TimelineSize, SaysWhatIsLeftOutOfOneThatWouldNotOpen) {
  const Estimate::Spans all{1'000'000, 8, 20};
  EXPECT_EQ(timeline_text(all, filter({})),
            "at most 50 MB of about 110 MB (1,000,000 spans): with fewer GPUs, then without links, then without the "
            "end; --timeline-gpus and --timeline-window choose");
  // What was chosen is written whole.
  EXPECT_EQ(timeline_text(all, filter({0, 1, 2, 3, 4, 5, 6, 7}, Time{0}, from_seconds(19))),
            "about 104 MB (950,000 spans)");
}
}  // namespace
}  // namespace moesim::runs
