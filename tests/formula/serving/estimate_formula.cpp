// What an estimate of a serving study counts: figures worked out in the head.
#include <gtest/gtest.h>

#include "serving/deployment/estimate.h"

namespace moesim::serving {
namespace {
ServingCounts one_pool(double arrivals, double duration) {
  ServingCounts out;
  out.arrivals = arrivals;
  out.duration = duration;
  out.readings = 0;
  out.pools.push_back({.step_seconds = 0.02});
  return out;
}

TEST(ServingEstimate, CountsTwoEventsARequestAndTwoAStep) {
  // 100 s in steps of 20 ms are 5,000; 600 requests.
  EXPECT_DOUBLE_EQ(estimate(one_pool(600, 100)).events, 2 * 600 + 2 * 5000);
}

TEST(ServingEstimate, WhatCannotBeServedWaits) {
  // One rank of 256 places, 200 tokens of 20 ms each: 64 requests a second, 6,400 in 100 s.  Of a million the others
  // wait: 993,600, and 256 run.  260 bytes each, and 24 of latencies for all.
  const Estimate e = estimate(one_pool(1e6, 100));
  EXPECT_NEAR(e.largest().bytes, 1e6 * 24 + (993'600 + 256) * 260.0, 1);
  EXPECT_EQ(e.largest().key, "serving.workload");
}

TEST(ServingEstimate, ReadingsCount) {
  ServingCounts n = one_pool(600, 100);
  n.readings = 1e14;
  EXPECT_EQ(estimate(n).events_key, "serving.sample");
}
}  // namespace
}  // namespace moesim::serving
