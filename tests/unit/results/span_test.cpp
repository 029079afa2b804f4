// What a timeline keeps where not everything fits into the file.
#include "results/span.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "results/perfetto.h"

namespace moesim::results {
namespace {
constexpr std::size_t kMost = 200'000;  // bytes

SpanFilter budget() {
  SpanFilter out;
  out.most_bytes = kMost;
  return out;
}

/// So many spans one after the other, on every GPU and on one link.
SpanLog run_of(SpanFilter filter, unsigned gpus, int steps) {
  filter.enabled = true;
  SpanLog log(filter);
  const NameId name = log.name("experts");
  for (int step = 0; step < steps; ++step) {
    for (unsigned gpu = 0; gpu < gpus; ++gpu) {
      const TrackId track = log.track(GpuId(gpu), "compute");
      log.add(track, name, Time{step * 1000}, Time{step * 1000 + 900}, 3);
      if (gpu > 0)
        log.add_flow(log.track(GpuId(gpu - 1), "compute"), Time{step * 1000}, track, Time{step * 1000 + 10}, name);
    }
    log.add(log.track({}, "nic0>leaf0"), name, Time{step * 1000}, Time{step * 1000 + 500});
  }
  return log;
}

TEST(SpanLog, KeepsEverythingThatFits) {
  const SpanLog log = run_of(budget(), 8, 10);
  EXPECT_EQ(log.spans().size(), 90u);
  EXPECT_EQ(log.flows().size(), 70u);
  EXPECT_EQ(log.gpus_kept(), 8u);
  EXPECT_FALSE(log.links_left_out());
  EXPECT_EQ(log.full_since().v, INT64_MAX);
}

TEST(SpanLog, KeepsFewerGpusOfAWholeRunBeforeItKeepsLessTime) {
  const SpanLog log = run_of(budget(), 128, 20);
  EXPECT_EQ(log.gpus_seen(), 128u);
  EXPECT_EQ(log.gpus_kept(), 64u) << "every other";
  EXPECT_EQ(log.spans().size(), 64u * 20 + 20);
  EXPECT_EQ(log.full_since().v, INT64_MAX);
  EXPECT_LT(perfetto_json(log).size(), kMost + 64 * 300) << "and the names of its tracks";
}

TEST(SpanLog, ThenLeavesLinksOutThenStops) {
  const SpanLog links = run_of(budget(), 16, 90), time = run_of(budget(), 64, 1000);
  EXPECT_TRUE(links.links_left_out());
  EXPECT_EQ(time.gpus_kept(), SpanLog::kFewGpus);
  EXPECT_TRUE(time.links_left_out());
  EXPECT_LT(time.full_since().v, 1000 * 1000);
  EXPECT_GT(time.full_since().v, 50 * 1000);
  EXPECT_LT(perfetto_json(time).size(), kMost + 16 * 300);
  EXPECT_GT(perfetto_json(time).size(), kMost / 2);
}

TEST(SpanLog, KeepsTheGpusThatWereAskedFor) {
  SpanFilter filter = budget();
  for (unsigned gpu = 0; gpu < 40; ++gpu) filter.gpus.insert(gpu);
  const SpanLog log = run_of(filter, 64, 200);
  EXPECT_EQ(log.gpus_kept(), 40u);
  EXPECT_EQ(log.gpus_seen(), 40u) << "nobody misses the others";
  EXPECT_LT(log.full_since().v, 200 * 1000);
}

TEST(SpanLog, DropsFlowsWithTheirTracks) {
  const SpanLog log = run_of(budget(), 128, 20);
  EXPECT_TRUE(log.flows().empty()) << "each goes to the next GPU, and none is kept beside its next";
}
}  // namespace
}  // namespace moesim::results
