// Comparisons over several loads, strategies and numbers of slots.
#include <fmt/ranges.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "small_place.h"
#include "support/refusal.h"

namespace moesim::placing {
namespace {

TEST(Place, ScoresEachPlanOnAllThatWasPlannedFromIfNothingElseIsNamed) {
  PlaceOptions o = small();
  o.slots = {24};
  o.strategies = {strategy_named("eplb_global")};
  o.planned = {counts("a", 3, 16, 1), counts("b", 3, 16, 2)};
  const PlaceResult r = place(o);
  ASSERT_EQ(r.rows.size(), 4u);
  for (const PlaceRow& row : r.rows) EXPECT_EQ(row.own, row.planned_on == row.scored_on);
  // Each cell of the cross table is that plan's figure on that load, and not another's.
  for (const PlaceRow& row : r.rows) {
    const Workload& scored = o.planned[row.scored_on == "b"];
    EXPECT_DOUBLE_EQ(
        row.score.balancedness,
        placement::score(scored.loads, r.maps[row.maps], placement::checked({.gpus = 4, .nodes = 2, .slots = 24}, 16))
            .balancedness);
    EXPECT_NE(cross_tables(r).find(fmt::format("{:.3f}", row.score.balancedness)), std::string::npos);
  }
  EXPECT_TRUE(r.rows[r.best].own);
}

TEST(Place, TheBestIsTheMostEvenOverAllLoadsWhateverItsSlots) {
  PlaceOptions o = small();
  o.slots = {16, 24};
  o.strategies = {strategy_named("contiguous"), strategy_named("eplb_global")};
  o.planned = {counts("a", 3, 16, 1), counts("b", 3, 16, 2)};
  const PlaceResult r = place(o);
  const auto mean = [&](std::size_t maps) {
    double sum = 0;
    int count = 0;
    for (const PlaceRow& row : r.rows)
      if (row.maps == maps) sum += row.score.balancedness, ++count;
    return sum / count;
  };
  for (const PlaceRow& row : r.rows) EXPECT_GE(mean(r.rows[r.best].maps), mean(row.maps)) << row.strategy << row.slots;
  EXPECT_EQ(r.rows[r.best].slots, 24);
  EXPECT_TRUE(r.rows[r.best].own);
}

TEST(Place, MakesOnePlanOfSeveralLoads) {
  PlaceOptions o = small();
  o.slots = {24};
  o.strategies = {strategy_named("eplb_global"), strategy_named("robust")};
  o.planned = {counts("a", 3, 16, 1), counts("b", 3, 16, 2)};
  o.together = true;
  const PlaceResult r = place(o);
  ASSERT_EQ(r.rows.size(), 4u);
  ASSERT_EQ(r.maps.size(), 2u);
  EXPECT_EQ(r.rows[0].planned_on, "together");
  // Each load weighs the same, however long it was recorded.
  PlaceOptions longer = o;
  for (double& c : longer.planned[1].loads.counts) c *= 4;
  EXPECT_EQ(place(longer).maps, r.maps);
  std::swap(longer.planned[0], longer.planned[1]);
  EXPECT_EQ(place(longer).maps, r.maps);
  // A strategy that knows windows balances both, one that does not their mean.
  const auto least = [&](std::size_t maps) {
    double out = 1;
    for (const PlaceRow& row : r.rows)
      if (row.maps == maps) out = std::min(out, row.score.balancedness);
    return out;
  };
  EXPECT_GT(least(1), least(0));
  o.planned[1].loads = placement::loads_of_matrix("b", 2, 16, std::vector<double>(32, 1));
  EXPECT_EQ(test::refusal_of([&] { place(o); }), "b: has no load in layer 2, which a has");
}

TEST(Place, GoesOnWithoutStrategiesThatDoNotApply) {
  PlaceOptions o = small();
  o.slots = {18, 24};
  o.strategies = {strategy_named("affinity"), strategy_named("eplb_global"), strategy_named("greedy")};
  const PlaceResult r = place(o);
  ASSERT_EQ(r.rows.size(), 3u);  // greedy with both, EPLB with 24
  ASSERT_EQ(r.not_applied.size(), 3u);
  EXPECT_EQ(r.not_applied[1].strategy, "eplb_global");
  EXPECT_EQ(r.not_applied[1].slots, 18);
  EXPECT_EQ(r.not_applied[1].reason, "slots must be a multiple of the 4 GPUs, got 18");
  EXPECT_NE(place_text(o, r, false).find("does not apply"), std::string::npos);
  const auto json = nlohmann::json::parse(place_json(o, r));
  EXPECT_EQ(json.at("not_applied").at(0).at("strategy"), "affinity");
  results::Results results(":memory:", {"t", "place", "", "", "", 1});
  store(o, r, results);
  results::Statement s = results.database().prepare("SELECT count(*) FROM assumption WHERE value LIKE '%left out'");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.integer(0), 3) << "a scenario's run says so too";
  o.strategies = {strategy_named("affinity")};
  EXPECT_THROW(place(o), ConfigError) << "nothing is left to compare";
}

TEST(Place, SaysWhatFurtherCopiesBuy) {
  PlaceOptions o = small();
  o.strategies = {strategy_named("eplb_global")};
  o.slots = {24, 16, 32};
  const PlaceResult r = place(o);
  const std::vector<SlotGain> gains = slot_gains(r);
  ASSERT_EQ(gains.size(), 2u);
  EXPECT_EQ(std::pair(gains[0].from, gains[0].slots), std::pair(16, 24));
  EXPECT_EQ(std::pair(gains[1].from, gains[1].slots), std::pair(24, 32));
  EXPECT_DOUBLE_EQ(gains[0].gained, r.rows[0].score.balancedness - r.rows[1].score.balancedness);
}

TEST(Place, NotesWhatFlattersOrMisleads) {
  PlaceOptions o = small();
  o.slots = {16};
  const auto notes = [&] { return fmt::format("{}", fmt::join(place(o).notes, "\n")); };
  EXPECT_EQ(notes(),
            "a: counts do not say how many experts a token chooses (--model or --top-k): no traffic, no times");
  o.top_k = 2;
  EXPECT_EQ(notes(), "");
  o.scored = o.planned;
  EXPECT_EQ(notes(), "a is planned from and scored on");
  o.scored.clear();
  o.planned[0].loads.counts[5] = 0;
  EXPECT_EQ(notes(), "a: nothing chose 1 expert in 1 layer; first in layer 0: expert 5");
  o.planned[0].loads.counts[5] = 1;
  o.planned[0].rank = 2;
  EXPECT_EQ(notes(), "a: says that it is of rank 2: counts of a single rank, not of the group");
  o.planned[0].rank.reset();
  for (std::size_t i = 0; i < 48; ++i)
    if (i % 16 / 4 != 1) o.planned[0].loads.counts[i] = 0;
  EXPECT_EQ(
      notes(),
      "a: only experts 4 to 7 of 16 have load, in every layer: looks like the counts of a single rank, not of the "
      "group");
}

TEST(Place, CountsSlotsThatHoldASecondCopyOnOneGpu) {
  PlaceOptions o;
  o.planned = {counts("hot", 1, 8, 1)};
  o.planned[0].loads.counts = {1000, 10, 10, 10, 10, 10, 10, 10};
  o.problem.gpus = 4;
  o.slots = {16};
  o.top_k = 2;
  o.strategies = {strategy_named("eplb_global"), strategy_named("greedy")};
  const PlaceResult r = place(o);
  EXPECT_EQ(r.rows[0].wasted_slots, 5);  // nine copies of the hot expert on four GPUs
  EXPECT_EQ(r.rows[1].wasted_slots, 0);
  EXPECT_EQ(r.notes, std::vector<std::string>{"slots wasted: a second copy of an expert on one GPU balances nothing "
                                              "(eplb_global with 16 slots: 5)"});
}

// Six of eight tokens on the first GPU, where four could be; and four of eight.
TEST(Place, RegretIsWhatTheSlowestGpuHasBeyondTheBound) {
  PlaceOptions o;
  o.problem.gpus = 2;
  o.strategies = {strategy_named("contiguous")};
  for (const std::vector<double>& loads : {std::vector<double>{3, 3, 1, 1}, {2, 2, 2, 2}}) {
    Workload w;
    w.name = o.planned.empty() ? "uneven" : "even";
    w.loads = placement::loads_of_matrix(w.name, 1, 4, loads);
    o.planned.push_back(w);
  }
  const std::string text = place_text(o, place(o), false);
  const std::string regret = text.substr(text.find("\nregret: "));
  EXPECT_NE(regret.find("contiguous      4  uneven         50.0 %    0.0 %"), std::string::npos) << regret;
}

TEST(Place, SharesRowsByProbabilitiesFixedWithThePlan) {
  PlaceOptions o = small();
  o.slots = {24};
  o.strategies = {strategy_named("greedy")};
  const double even = place(o).rows[0].score.balancedness;
  o.sharing = placement::Sharing::planned;
  const double planned = place(o).rows[0].score.balancedness;
  o.sharing = placement::Sharing::balanced;
  const double balanced = place(o).rows[0].score.balancedness;
  EXPECT_GT(planned, even);
  EXPECT_NEAR(planned, balanced, 0.002) << "on what it was planned from there is nothing to adapt to";
}
}  // namespace
}  // namespace moesim::placing
