#include "results/summary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "results/perfetto.h"

namespace moesim::results {
namespace {

TEST(Pretty, ChoosesThePrefixBySizeAndKeepsThreeDigits) {
  EXPECT_EQ(pretty(0.0015325, "s"), "1.53 ms");
  EXPECT_EQ(pretty(0.99996, "s"), "1.00 s");
  EXPECT_EQ(pretty(0, "s"), "0 s");
  EXPECT_EQ(pretty(90, "s"), "90.0 s");
  EXPECT_EQ(pretty(600, "s"), "10.0 min");
  EXPECT_EQ(pretty(86400 * 55, "s"), "55.0 d");
  EXPECT_EQ(pretty(80e9, "B"), "80.0 GB");
  EXPECT_EQ(pretty(12, "B"), "12.0 B");
  EXPECT_EQ(pretty(989.4e12, "FLOP/s"), "989 TFLOP/s");
  EXPECT_EQ(pretty(12345, "tokens/s"), "12,345 tokens/s");
  EXPECT_EQ(pretty(1234567, ""), "1,234,567");
  EXPECT_EQ(pretty(-1234, ""), "-1,234");
  EXPECT_EQ(pretty(999'999'999'999'999, ""), "999,999,999,999,999");
  EXPECT_EQ(pretty(999'999'999'999'999.5, ""), "1e+15");
  EXPECT_EQ(pretty(-1e15, "tokens"), "-1e+15 tokens");
  EXPECT_EQ(pretty(1e300, "s"), "1.16e+295 d");
  EXPECT_EQ(pretty(1e300, "B"), "1e+282 EB");
  for (const char* unit : {"", "s", "B", "USD"})  // a database may hold anything
    for (const double value : {double(INFINITY), -double(INFINITY), double(NAN), 1.7e308, -1.7e308, 5e-324})
      EXPECT_LT(pretty(value, unit).size(), 16u) << value << unit;
  EXPECT_EQ(pretty(0.4567, ""), "0.457");
  EXPECT_EQ(pretty(2, "USD"), "2 USD");
}

TEST(SpanLog, KeepsOnlyTheChosenGpusAndWindow) {
  SpanLog log({true, 10_us, 20_us, {1}});
  const TrackId seen = log.track(GpuId{1}, "compute"), unseen = log.track(GpuId{0}, "compute");
  EXPECT_EQ(log.track(GpuId{1}, "compute"), seen);
  log.add(seen, log.name("early"), 0_us, 9_us);
  log.add(seen, log.name("gemm"), 9_us, 12_us, 3);
  log.add(unseen, log.name("gemm"), 12_us, 13_us);
  ASSERT_EQ(log.spans().size(), 1u);
  EXPECT_EQ(log.text(log.spans()[0].name), "gemm");
}

TEST(Perfetto, WritesMicrosecondsWithEveryPicosecond) {
  SpanLog log({true, {}, {INT64_MAX}, {}});
  const TrackId compute = log.track(GpuId{0}, "compute"), link = log.track(std::nullopt, "nic:0");
  log.add(compute, log.name("say \"hi\""), Time{1'500'001}, Time{2'500'001}, 3);
  log.add(link, log.name("dispatch"), 1_us, 2_us);
  log.add_flow(link, 1_us, compute, 2_us, log.name("tokens"));
  const std::string json = perfetto_json(log);
  EXPECT_NE(json.find(R"("name":"say \"hi\"","pid":0,"tid":0,"ts":1.500001,"dur":1.000000,"args":{"layer":3})"),
            json.npos)
      << json;
  EXPECT_NE(json.find(R"("ph":"s","cat":"flow","name":"tokens","id":0,"pid":1000000,"tid":1,"ts":1.000000)"), json.npos)
      << json;
  EXPECT_NE(json.find(R"("ph":"f","cat":"flow","name":"tokens","id":0,"pid":0,"tid":0,"ts":2.000000,"bp":"e")"),
            json.npos)
      << json;
}

TEST(ShareText, HasTwoDigitsAndWholePercentsAbove) {
  EXPECT_EQ(share_text(0), "0 %");
  EXPECT_EQ(share_text(0.00139), "0.14 %");
  EXPECT_EQ(share_text(0.042), "4.2 %");
  EXPECT_EQ(share_text(0.0996), "10 %");
  EXPECT_EQ(share_text(0.996), "100 %");  // and not 1e+02
  EXPECT_EQ(share_text(1.262), "126 %");
  EXPECT_EQ(share_text(std::numeric_limits<double>::quiet_NaN()), "?");
}
}  // namespace
}  // namespace moesim::results
