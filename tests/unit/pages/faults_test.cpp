// What fails while requests are served, as a page says it.
#include "pages/studies/faults.h"

#include <gtest/gtest.h>

#include "pages/report.h"
#include "results/results.h"
#include "support/temporary_folder.h"

namespace moesim::pages {
namespace {
Facts with_faults(int n) {
  constexpr std::pair<const char*, const char*> kKinds[] = {
      {"slow_gpu", "17"}, {"slow_link", "30"}, {"nic", "42"}, {"gpu", "77"}, {"node", "120"}};
  Facts out;
  for (int i = 0; i < n; ++i) {
    const auto& [kind, gpu] = kKinds[i % 5];
    const std::string key = fmt::format("serving.faults[{}].", i);
    out.settings[key + "at"] = fmt::format("{} s", 80 + 30 * i);
    out.settings[key + "kind"] = kind, out.settings[key + "gpu"] = gpu;
    out.settings[key + "instance"] = "0", out.settings[key + "pool"] = "";
  }
  return out;
}

TEST(Faults, AreNamedByWhatFailedWhenAndWhatWasDone) {
  const Facts f = with_faults(5);
  EXPECT_EQ(fault_title(f, "0,slow_gpu,slower"), "slow GPU 17 at 80 s, slower");
  EXPECT_EQ(fault_title(f, "1,slow_link,slower"), "slow link of GPU 30 at 110 s, slower");
  EXPECT_EQ(fault_title(f, "2,nic,reroute"), "adapter of GPU 42 at 140 s, reroute");
  EXPECT_EQ(fault_title(f, "3,gpu,restart"), "GPU 77 at 170 s, restart");
  EXPECT_EQ(fault_title(f, "4,node,replace"), "node of GPU 120 at 200 s, replace");
  for (const char* other : {"9,gpu,restart", "x", ""}) EXPECT_EQ(fault_title(f, other), other);
}

TEST(Faults, SayOfWhichInstanceAndPoolWhereThereAreSeveral) {
  Facts f = with_faults(5);
  f.settings["serving.faults[3].instance"] = "2", f.settings["serving.faults[3].pool"] = "decode";
  EXPECT_EQ(fault_name(f, 3), "GPU 77 of instance 2 of pool decode");
}

TEST(Faults, AreAllMarkedAndNumberedWhereTheyAreMany) {
  const Marks few = marks_of(with_faults(2), {100});
  ASSERT_EQ(few.guides.size(), 3u);
  EXPECT_EQ(few.guides[1].label, "slow link of GPU 30");
  EXPECT_EQ(few.guides[2].label, "new plan");
  EXPECT_EQ(few.note, "");
  const Marks many = marks_of(with_faults(9), {100, 200});
  ASSERT_EQ(many.guides.size(), 11u);
  EXPECT_EQ(many.guides[8].label, "9");
  EXPECT_DOUBLE_EQ(many.guides[8].value, 320);
  EXPECT_EQ(many.guides[10].label, "");
  EXPECT_TRUE(many.note.starts_with("Marks: 1: slow GPU 17 at 80 s; 2: slow link of GPU 30 at 110 s; ")) << many.note;
  EXPECT_TRUE(many.note.ends_with("; without a number: new plans.")) << many.note;
}

class ServedPage : public testing::Test {
 protected:
  /// The page of two readings of one pool, without its head and foot.
  std::string page(const std::string& settings) const {
    const std::string file = folder_.file("a.db");
    results::Results r(file, {"title", "serving", "a.yaml", "text", "", 7});
    for (const auto& [name, value] : {std::pair("goodput_share", 0.85), {"concurrency", 12.0}})
      r.metric(name, value, "");
    r.metric("waiting_mean", 0, "", "pool:both");
    for (const int t : {0, 100, 400})
      r.reading("running", Time{std::int64_t(t) * 1'000'000'000'000}, t + 1.0, "", "pool:both");
    r.finish({"complete", 1, 2, 4_s, 0.1}, settings);
    const std::string out = report_page(file);
    return out.substr(out.find("<h1>"), out.find("<footer>") - out.find("<h1>"));
  }
  TemporaryFolder folder_;
};

TEST_F(ServedPage, CountsNothingWithinTargetsWhereThereAreNone) {
  EXPECT_EQ(page("serving.slo.ttft: 0 ps\nserving.slo.tpot: 0 ps\n").find("Within the targets"), std::string::npos);
}
TEST_F(ServedPage, CountsWhatIsWithinTargets) {
  EXPECT_NE(page("serving.slo.ttft: 2 s\n").find("Within the targets"), std::string::npos);
}
TEST_F(ServedPage, DoesNotCountAsWaitingWhoWaitsForABrokenInstance) {
  const std::string broken = page(
      "serving.faults[0].kind: gpu\nserving.faults[0].at: 270 s\nserving.faults[0].gpu: 5\nserving.faults[0].instance: "
      "0\n");
  EXPECT_EQ(broken.find("requests wait on average"), std::string::npos);
  EXPECT_NE(broken.find("who waits for one to come back is under way, and in no queue"), std::string::npos);
  EXPECT_NE(broken.find(">GPU 5</text>"), std::string::npos);
}
TEST_F(ServedPage, CountsWhoWaitsWhereNothingBreaks) {
  EXPECT_NE(page("").find("0 requests wait on average, and 12 are under way"), std::string::npos);
}
}  // namespace
}  // namespace moesim::pages
