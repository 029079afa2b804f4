#include "placing/place.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "placing/place_traffic.h"
#include "small_place.h"
#include "spec/catalogue.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::placing {
namespace {

TEST(Place, TriesEveryStrategyWithEveryNumberOfSlots) {
  const PlaceOptions o = small();
  const PlaceResult r = place(o);
  ASSERT_EQ(r.rows.size(), 4u);
  EXPECT_EQ(r.rows[1].strategy, "eplb");
  EXPECT_EQ(r.rows[1].slots, 16);
  EXPECT_EQ(r.rows[3].slots, 24);
  EXPECT_GT(r.rows[3].score.balancedness, r.rows[1].score.balancedness);
  for (const PlaceRow& row : r.rows) {
    EXPECT_GE(row.score.gap, 0);
    EXPECT_GE(r.rows[r.best].score.balancedness, row.score.balancedness);
    EXPECT_FALSE(row.traffic.has_value()) << "nobody said how many experts a token chooses";
  }
  const placement::ModelPlacement best = placement_of(o, r, r.best);
  EXPECT_EQ(best.maps, r.maps[r.rows[r.best].maps]);
  EXPECT_EQ(best.layers, (std::vector{0, 1, 2}));
}

TEST(Place, PrintsADashWhereARowLacksWhatAnotherHas) {
  const PlaceOptions o = small();
  PlaceResult r = place(o);
  const auto line_of = [&](std::size_t row) {  // of the table's rows, which come in order after a line of dashes or not
    const std::string text = place_text(o, r, false);
    std::size_t at = text.find("strategy");
    at = text.find(r.rows[0].strategy, text.find('\n', at));
    for (std::size_t i = 0; i < row; ++i) at = text.find('\n', at) + 1;
    return text.substr(at, text.find('\n', at) - at);
  };
  EXPECT_EQ(place_text(o, r, false).find("nodes/token"), std::string::npos);
  r.rows[1].traffic = TrafficShape{.nodes_per_token = 1.25, .crossings = 0.5};
  r.rows[2].moves = 7;
  r.rows[2].migration = Bytes{2'000'000'000};
  EXPECT_NE(place_text(o, r, false).find("nodes/token  crossings/token  slots wasted  moves  to move"),
            std::string::npos)
      << place_text(o, r, false);
  EXPECT_EQ(line_of(0).find("1.250"), std::string::npos);
  EXPECT_NE(line_of(0).find('-'), std::string::npos) << line_of(0);
  EXPECT_NE(line_of(1).find("1.250"), std::string::npos) << line_of(1);
  EXPECT_NE(line_of(2).find("2.00 GB"), std::string::npos) << line_of(2);
}

TEST(Place, KeepsTheLoadOfEachGpuOfTheFirstPlanAndTheBest) {
  const PlaceOptions o = small();
  const PlaceResult r = place(o);
  results::Results results(":memory:", {});
  store(o, r, results);
  const results::Database& db = results.database();
  for (const std::size_t i : {std::size_t{0}, r.best}) {
    const PlaceRow& row = r.rows[i];
    const std::string scope = fmt::format("placement:{}:{}", row.strategy, row.slots);
    results::Statement s = db.prepare(
        "SELECT layer, count(*), max(load), avg(load) FROM gpu_load WHERE scope = ? GROUP BY layer ORDER BY layer");
    s.bind(0, std::string_view(scope));
    for (const placement::LayerScore& layer : row.score.layers) {
      ASSERT_TRUE(s.step()) << scope;
      EXPECT_EQ(s.integer(0), layer.layer);
      EXPECT_EQ(s.integer(1), o.problem.gpus);
      EXPECT_NEAR(s.real(2), 1 / layer.balance, 1e-12);
      EXPECT_NEAR(s.real(3), 1, 1e-12);
    }
    EXPECT_FALSE(s.step());
  }
}

TEST(Place, ScoresEachPlanOnEachWorkload) {
  PlaceOptions o = small();
  o.slots = {24};
  o.strategies = {strategy_named("eplb_global")};
  o.planned = {counts("a", 3, 16, 1), counts("b", 3, 16, 2)};
  o.scored = o.planned;
  const PlaceResult r = place(o);
  ASSERT_EQ(r.rows.size(), 4u);
  EXPECT_GT(r.rows[0].score.balancedness, r.rows[1].score.balancedness);  // a on a, a on b
  EXPECT_GT(r.rows[3].score.balancedness, r.rows[2].score.balancedness);  // b on b, b on a
  const std::string text = place_text(o, r, false);
  EXPECT_NE(text.find("planned on one workload, scored on another"), std::string::npos);
  EXPECT_EQ(text, place_text(o, place(o), false)) << "the same bytes each time";
}

TEST(Place, CountsWhatMovesFromThePlacementInForce) {
  PlaceOptions o = small();
  o.slots = {24};
  o.strategies = {strategy_named("eplb_global")};
  const PlaceResult first = place(o);
  o.from = placement_of(o, first, 0);
  EXPECT_EQ(place(o).rows[0].moves, 0);
  o.planned = {counts("b", 3, 16, 2)};
  const int moved = *place(o).rows[0].moves;
  EXPECT_GT(moved, 0);
  o.keep_places = true;
  EXPECT_LE(*place(o).rows[0].moves, moved);
}

TEST(Place, CountsBytesWithAModel) {
  PlaceOptions o;
  o.model = spec::load_model("deepseek-v3");
  o.planned = {counts("v3", 2, 256, 1)};
  o.strategies = {strategy_named("eplb")};
  o.problem.gpus = 32;
  o.problem.nodes = 4;
  o.problem.groups = 8;
  o.slots = {288};
  const PlaceResult r = place(o);
  // 3 x 7168 x 2048 weights in FP8 with an FP32 scale for 128 x 128 of them; 9 slots a GPU, 2 layers.
  const std::int64_t expert = 3 * 7168 * 2048 + 3 * 56 * 16 * 4;
  EXPECT_EQ(expert_weight_bytes(*o.model).v, expert);
  EXPECT_EQ(r.rows[0].memory.v, 2 * 9 * expert);
  ASSERT_TRUE(r.rows[0].traffic.has_value());
  // Four of eight groups: at most four nodes, and more than one.
  EXPECT_GT(r.rows[0].traffic->nodes_per_token, 1.5);
  EXPECT_LE(r.rows[0].traffic->nodes_per_token, 4);
  EXPECT_NEAR(r.rows[0].traffic->crossings, r.rows[0].traffic->nodes_per_token * 0.75, 1e-9);
  EXPECT_GT(r.rows[0].nic_bytes.v, 0);
}

/// A trace of two layers and four experts: half the tokens use experts 0 and 1, half 2 and 3.
Workload recorded(const std::string& file, int tokens) {
  routing::TraceHeader header;
  header.layers = {1, 2};
  header.hidden_layers = 3;
  header.experts = 4;
  header.top_k = 2;
  routing::TraceWriter writer(file, header);
  std::vector<routing::TraceToken> list(static_cast<std::size_t>(tokens));
  std::vector<std::int16_t> experts;
  for (int layer = 0; layer < 2; ++layer)
    for (int t = 0; t < tokens; ++t)
      for (int k = 0; k < 2; ++k) experts.push_back(std::int16_t((t % 2) * 2 + k));
  writer.add(list, experts);
  writer.finish();
  return read_workload(file);
}

TEST(Place, KnowsFromATraceWhichExpertsBelongTogether) {
  const TemporaryFolder folder;
  PlaceOptions o;
  o.planned = {recorded(folder.file("trace.db"), 400)};
  EXPECT_EQ(o.planned[0].loads.layers, (std::vector{1, 2}));
  EXPECT_EQ(o.planned[0].loads.counts, std::vector<double>(8, 200));
  o.problem.gpus = 2;
  o.problem.nodes = 2;
  o.strategies = {strategy_named("coactivation"), strategy_named("round_robin"), strategy_named("affinity"),
                  strategy_named("traffic")};
  const PlaceResult r = place(o);
  EXPECT_DOUBLE_EQ(r.rows[0].traffic->nodes_per_token, 1);  // 0 with 1, 2 with 3
  EXPECT_DOUBLE_EQ(r.rows[1].traffic->nodes_per_token, 2);  // 0 with 2
  EXPECT_DOUBLE_EQ(r.rows[0].traffic->crossings, 0.5);      // half the tokens start on the other node
  EXPECT_DOUBLE_EQ(r.rows[3].traffic->nodes_per_token, 1);
  for (const PlaceRow& row : r.rows) EXPECT_DOUBLE_EQ(row.score.balancedness, 1);
}

TEST(Place, AChoiceOfCopiesThatSpreadsOverNodesCrossesThem) {
  const TemporaryFolder folder;
  PlaceOptions o;
  o.planned = {recorded(folder.file("trace.db"), 400)};
  o.problem.gpus = 2;
  o.problem.nodes = 2;
  o.slots = {8};  // every GPU holds every expert
  o.strategies = {strategy_named("greedy")};
  const TrafficShape near = *place(o).rows[0].traffic;
  EXPECT_DOUBLE_EQ(near.nodes_per_token, 1);
  EXPECT_DOUBLE_EQ(near.busiest_nic, 0);
  o.replica_choice = exchange::ReplicaSpec(Config::from_text("round_robin", "test"));
  const TrafficShape spread = *place(o).rows[0].traffic;
  EXPECT_GT(spread.crossings, 0.4);  // half the rows are computed on the other node
  EXPECT_GT(spread.busiest_nic, 0);
}

TEST(Place, RefusesAChoiceOfCopiesThatCountsCannotTell) {
  PlaceOptions o = small();  // counts, 24 slots for 16 experts
  o.replica_choice = exchange::ReplicaSpec(Config::from_text("least_loaded", "test"));
  EXPECT_THROW(place(o), ConfigError);
  o.slots = {16};  // no copies
  EXPECT_NO_THROW(place(o));
  o.slots = {24};
  o.replica_choice = exchange::ReplicaSpec(Config::from_text("round_robin", "test"));
  EXPECT_NO_THROW(place(o));
  o.replica_choice = exchange::ReplicaSpec(Config::from_text("balanced", "test"));
  EXPECT_NO_THROW(place(o));
}

TEST(Place, PlansOnOneWindowAndScoresOnTheNext) {
  const TemporaryFolder folder;
  const std::string file = folder.file("trace.db");
  recorded(file, 400);
  EXPECT_EQ(read_workload(file, "100:300").loads.counts, std::vector<double>(8, 100));
  EXPECT_EQ(read_workload(file, ":200").name, "trace[0:200]");
  EXPECT_THROW(read_workload(file, "300:500"), ConfigError);
  EXPECT_THROW(read_workload(file, "300"), ConfigError);
  PlaceOptions o;
  o.problem.gpus = 2;
  o.strategies = {strategy_named("greedy")};
  o.planned = {read_workload(file, ":200")};
  o.scored = {read_workload(file, "200:")};
  EXPECT_EQ(place(o).notes, std::vector<std::string>{}) << "one after the other";
  o.scored = {read_workload(file, "150:300")};
  EXPECT_EQ(place(o).notes,
            std::vector<std::string>{
                "trace[0:200] and trace[150:300] share 50 tokens: what is scored was seen while planning"});
}

TEST(Place, StoresMetricsAndThePlacement) {
  const PlaceOptions o = small();
  const PlaceResult r = place(o);
  results::Results results(":memory:", {"t", "place", "", "", "", 1});
  store(o, r, results);
  EXPECT_DOUBLE_EQ(results.metric_value("balancedness"), r.rows[r.best].score.balancedness);
  EXPECT_DOUBLE_EQ(results.metric_value("imbalance", "placement:contiguous:16"), r.rows[0].score.imbalance);
  results::Statement s = results.database().prepare("SELECT count(*) FROM placement WHERE expert >= 0");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.integer(0), 3 * r.rows[r.best].slots);
}

TEST(Place, StoresWhoSendsToWhomOfTheFirstAndTheBest) {
  PlaceOptions o = small();
  o.top_k = 2;
  const PlaceResult r = place(o);
  results::Results results(":memory:", {});
  store(o, r, results);
  const auto value = [&](const char* sql) { return std::stod(results.database().value(sql).value_or("nan")); };
  const double plans = r.best == 0 ? 1 : 2, gpus = o.problem.gpus, nodes = o.problem.nodes;
  EXPECT_EQ(value("SELECT count(*) FROM gpu_traffic WHERE level = 'gpu'"), plans * gpus * gpus);
  EXPECT_EQ(value("SELECT count(*) FROM gpu_traffic WHERE level = 'node'"), plans * nodes * nodes);
  EXPECT_NEAR(value("SELECT sum(copies) FROM gpu_traffic WHERE level = 'gpu'"),
              value("SELECT sum(copies) FROM gpu_traffic WHERE level = 'node'"), 1e-9);
  const double copies = value("SELECT sum(copies) FROM gpu_traffic WHERE level = 'gpu'") / plans;
  EXPECT_GT(copies, 1) << "a token goes to one GPU at least";
  EXPECT_LE(copies, 2 + 1e-9) << "and to no more than it has experts";
  EXPECT_EQ(value("SELECT count(*) FROM gpu_traffic WHERE bytes IS NOT NULL"), 0) << "nobody named the model";
}

TEST(Place, EqualComparisonsHaveEqualFingerprints) {
  PlaceOptions o = small();
  const std::uint64_t one = fingerprint_of(place(o));
  EXPECT_EQ(one, fingerprint_of(place(o)));
  o.slots.pop_back();
  EXPECT_NE(one, fingerprint_of(place(o)));
}

TEST(Place, WritesJsonForScripts) {
  const PlaceOptions o = small();
  const auto json = nlohmann::json::parse(place_json(o, place(o)));
  EXPECT_EQ(json.at("strategies").size(), 4u);
  EXPECT_GT(json.at("plan_time").get<double>(), 0);
  EXPECT_DOUBLE_EQ(json.at("balancedness"), json.at("strategies").at(3).at("balancedness"));
  EXPECT_TRUE(json.at("strategies").at(0).at("layer_scores").contains("2"));
}

TEST(Place, RefusesAnotherNumberOfChoicesThanTheModels) {
  PlaceOptions o;
  o.model = spec::load_model("mixtral-8x7b");
  o.planned = {counts("a", 1, 8, 1)};
  o.strategies = {strategy_named("contiguous")};
  o.problem.gpus = 2;
  const auto with = [&](int model, int asked) {
    o.model->moe->top_k = model;
    o.top_k = asked;
    return test::refusal_of([&] { place(o); });
  };
  EXPECT_EQ(with(2, 1), "--top-k: mixtral-8x7b says itself that a token chooses 2 experts, got 1");
  EXPECT_EQ(with(1, 2), "--top-k: mixtral-8x7b says itself that a token chooses 1 expert, got 2");
  EXPECT_EQ(with(2, 2), "accepted");
  EXPECT_EQ(with(2, 0), "accepted");
}

TEST(Place, RefusesWorkloadsThatDoNotFit) {
  PlaceOptions o = small();
  o.scored = {counts("other", 3, 8, 1)};
  EXPECT_THROW(place(o), ConfigError);
  o.scored = {counts("shorter", 2, 16, 1)};
  EXPECT_THROW(place(o), ConfigError);
  o.scored.clear();
  o.model = spec::load_model("mixtral-8x7b");
  EXPECT_THROW(place(o), ConfigError);
}
}  // namespace
}  // namespace moesim::placing
