// Balance by minutes since the plan, of windows in order.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/random.h"
#include "small_place.h"
#include "support/refusal.h"

namespace moesim::placing {
namespace {
/// Windows that drift: each keeps most of the loads of the one before.
PlaceOptions drifting(int windows) {
  PlaceOptions o = small();
  o.planned.clear();
  Random random(4, "drifting windows");
  Workload w = counts("window 0", 3, 16, 1);
  for (int i = 0; i < windows; ++i) {
    w.name = "window " + std::to_string(i);
    for (double& c : w.loads.counts) c *= std::exp(0.4 * random.normal());
    o.planned.push_back(w);
  }
  o.slots = {24};
  o.strategies = {strategy_named("eplb_global"), strategy_named("robust")};
  o.window_minutes = 10;
  return o;
}
double balance(const PlaceOptions& o, const PlaceResult& r, std::size_t planned, std::size_t scored) {
  for (const PlaceRow& row : r.rows)
    if (row.strategy == "eplb_global" && row.planned_on == o.planned[planned].name &&
        row.scored_on == o.planned[scored].name)
      return row.score.balancedness;
  ADD_FAILURE() << planned << " is not scored on " << scored;
  return 0;
}

TEST(PlaceDrift, AnAgeIsTheMeanOfAllPlansOfThatAge) {
  const PlaceOptions o = drifting(4);
  const PlaceResult r = place(o);
  const std::vector<DriftPoint> curve = drift_curves(o, r);
  ASSERT_EQ(curve.size(), 8u) << "two strategies, four ages";
  const DriftPoint* now = nullptr;
  for (const DriftPoint& p : curve) {
    if (p.strategy != "eplb_global") continue;
    if (p.minutes == 0) now = &p;
    if (p.minutes != 20) continue;
    EXPECT_EQ(p.plans, 2);
    EXPECT_DOUBLE_EQ(p.balance, (balance(o, r, 0, 2) + balance(o, r, 1, 3)) / 2);
    EXPECT_DOUBLE_EQ(p.least, std::min(balance(o, r, 0, 2), balance(o, r, 1, 3)));
    ASSERT_NE(now, nullptr);
    EXPECT_LT(p.balance, now->balance) << "plans go stale";
  }
  EXPECT_NE(place_text(o, r, false).find("mean/max     slots  0 min  10 min  20 min  30 min"), std::string::npos)
      << place_text(o, r, false);
  const auto json = nlohmann::json::parse(place_json(o, r));
  ASSERT_EQ(json["drift"].size(), 8u);
  EXPECT_EQ(json["drift"][0]["minutes_since_plan"], 0);
  EXPECT_EQ(json["drift"][0]["plans"], 4);
  results::Results stored(":memory:", results::RunIdentity{});
  store(o, r, stored);
  results::Statement at20 = stored.database().prepare(
      "SELECT balancedness FROM drift WHERE strategy = 'eplb_global' AND slots = 24 AND minutes = 20");
  ASSERT_TRUE(at20.step());
  EXPECT_DOUBLE_EQ(at20.real(0), (balance(o, r, 0, 2) + balance(o, r, 1, 3)) / 2);
  PlaceOptions unordered = o;
  unordered.window_minutes = 0;
  EXPECT_TRUE(drift_curves(unordered, r).empty());
  EXPECT_FALSE(nlohmann::json::parse(place_json(unordered, r)).contains("drift"));
}

TEST(PlaceDrift, SeveralWindowsAPlanAgeFromTheLast) {
  PlaceOptions o = drifting(5);
  o.windows_a_plan = 2;
  const PlaceResult r = place(o);
  ASSERT_EQ(r.sources.size(), 4u);
  EXPECT_EQ(r.sources[1].name, "window 1 to window 2");
  EXPECT_EQ(r.sources[1].members, (std::vector<std::size_t>{1, 2}));
  int plans = 0;
  for (const DriftPoint& p : drift_curves(o, r))
    if (p.strategy == "robust" && p.minutes == 10) plans = p.plans;
  EXPECT_EQ(plans, 3) << "the fourth plan has no later window";
}

TEST(PlaceDrift, RefusesWhatHasNoOrder) {
  const auto refused = [](PlaceOptions o) { return test::refusal_of([&] { place(o); }); };
  PlaceOptions o = drifting(3);
  o.together = true;
  EXPECT_EQ(refused(o),
            "--window-minutes: plans are made from the windows in turn and scored on those after them: give neither "
            "--together nor --eval");
  o = drifting(2);
  o.windows_a_plan = 2;
  EXPECT_EQ(refused(o), "--window-minutes: needs more windows than the 2 that a plan is made from, got 2");
}
}  // namespace
}  // namespace moesim::placing
