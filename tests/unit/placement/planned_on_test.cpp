#include "placement/planned_on.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/small_trace.h"
#include "placement/rebalancing/rebalance.h"
#include "placement/section.h"
#include "spec/catalogue.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::placement {
namespace {
/// DeepSeek-V2-Lite on 8 GPUs of one node, as the scenario `text` places it.
class PlannedOnTest : public testing::Test {
 protected:
  TemporaryFolder folder;
  spec::Model model = spec::load_model("deepseek-v2-lite");
  spec::GroupShape group{8, 8};

  ModelPlacement placed(const std::string& text, std::optional<routing::TracePhase> phase = {}) const {
    const Config scenario = Config::from_text(text, "test.yaml");
    const spec::MoeShape& moe = *model.moe;
    const routing::TrafficContext context{{moe.experts, moe.top_k, moe.groups, moe.groups_used}, group, 1, phase};
    const Config section = scenario.at_or_empty("routing");
    const auto source = routing::make_traffic(section, context);
    return read_placement(scenario, model, group, {source.get(), section, context});
  }
  static std::vector<int> slots(const ModelPlacement& p) {
    std::vector<int> out;
    for (const exchange::ExpertMap& map : p.maps)
      out.insert(out.end(), map.slot_to_expert.begin(), map.slot_to_expert.end());
    return out;
  }
};
const std::string kRouting = "routing: {kind: grouped, steady: 0.5, phases_alike: 0.5}\n";
const std::string kPlain = "placement: {strategy: eplb, slots: 72}\n";

TEST_F(PlannedOnTest, WithoutItAPlanIsForWhatItServes) {
  EXPECT_EQ(slots(placed(kRouting + kPlain)), slots(placed(kRouting + "placement: {strategy: eplb, slots: 72, "
                                                                      "planned_on: {step: 0}}\n")));
}

TEST_F(PlannedOnTest, ExpectedLoadsAreNoCountsOfAFewRows) {
  // `robust` draws counts of few rows towards the even share; what a law expects is known without counting.
  const auto plan = [&](const std::string& strategy) {
    return slots(placed(kRouting + "placement: {strategy: " + strategy + ", slots: 72}\n"));
  };
  EXPECT_NE(plan("robust"), slots(placed("routing: balanced\nplacement: {strategy: robust, slots: 72}\n")));
  const auto balance = [&](const std::string& strategy) {
    const auto source = routing::make_traffic(Config::from_text("{kind: grouped, steady: 0.5, phases_alike: 0.5}", "t"),
                                              {{64, 6, 1, 1}, group, 1, std::nullopt});
    const ModelPlacement p = placed(kRouting + "placement: {strategy: " + strategy + ", slots: 72}\n");
    std::vector<double> loads(p.maps.size() * 64);
    for (std::size_t i = 0; i < p.maps.size(); ++i)
      source->shares(p.layers[i], 0, std::span(loads).subspan(i * 64, 64));
    return balancedness(p.maps, {.gpus = 8, .slots = 72}, loads);
  };
  EXPECT_GT(balance("robust"), balance("eplb_global") - 0.005);
}

TEST_F(PlannedOnTest, AnotherMomentPhaseOrRoutingGivesAnotherPlan) {
  const auto here = slots(placed(kRouting + kPlain));
  for (const char* from : {"{step: 100000}", "{phase: decode}", "{routing: {kind: log_normal}}"}) {
    const std::string text = fmt::format("placement: {{strategy: eplb, slots: 72, planned_on: {}}}\n", from);
    EXPECT_NE(slots(placed(kRouting + text)), here) << from;
  }
  // A plan for decoding is the same whoever makes it.
  const std::string decode = "placement: {strategy: eplb, slots: 72, planned_on: {phase: decode}}\n";
  EXPECT_EQ(slots(placed(kRouting + decode)), slots(placed(kRouting + kPlain, routing::TracePhase::decode)));
}

TEST_F(PlannedOnTest, AFileOfCountsDecidesWhoHasCopies) {
  // 27 layers, the first dense.  Expert l of layer l has half of everything: all 8 copies that 72 slots have room for.
  std::ofstream out(folder.file("counts.csv"));
  for (int l = 0; l < model.layers; ++l)
    for (int e = 0; e < 64; ++e) out << (l == 0 ? 0 : e == l ? 63000 : 1000) << (e == 63 ? "\n" : ",");
  out.close();
  const ModelPlacement p =
      placed("routing: {kind: balanced}\nplacement: {strategy: eplb, slots: 72, planned_on: {file: " +
             folder.file("counts.csv") + "}}\n");
  ASSERT_EQ(p.layers.size(), 26u);
  for (std::size_t i = 0; i < p.maps.size(); ++i)
    EXPECT_EQ(p.maps[i].copies_of(p.layers[i]).size(), 9u) << "layer " << p.layers[i];
}

TEST_F(PlannedOnTest, ATraceGivesLoadsAndTokens) {
  const std::string file = write_small_trace(folder.file("trace.db"), model);
  const Config config = Config::from_text("{planned_on: {file: " + file + "}}", "test.yaml");
  PlannedOn from;
  config.at("planned_on").parse(from);
  const auto source =
      routing::make_traffic(Config::from_text("kind: balanced", "test.yaml"), {{64, 6, 1, 1}, group, 1, std::nullopt});
  const PlanningLoads loads = planning_loads(config, from, model, {source.get(), {}, {}});
  ASSERT_TRUE(loads.sample.has_value());
  EXPECT_EQ(loads.sample->tokens, 256u);
  EXPECT_EQ(loads.loads.layers, model.moe_layers());
  double sum = 0;
  for (const double c : loads.loads.row(0)) sum += c;
  EXPECT_EQ(sum, 256 * 6);
}

TEST_F(PlannedOnTest, ARunSaysWhatItsPlanWasMadeFrom) {
  const auto row = [&](const std::string& placement, const std::string& routing,
                       std::optional<routing::TracePhase> phase) -> std::pair<std::string, std::string> {
    results::Results results(":memory:", results::RunIdentity{});
    const Config section = Config::from_text(routing, "t");
    const routing::TrafficContext context{{64, 6, 1, 1}, group, 1, phase};
    const auto source = routing::make_traffic(section, context);
    write_planned_on(results, "run", Config::from_text(placement.empty() ? "{}" : "placement: " + placement, "t"),
                     {source.get(), section, context});
    results::Statement s = results.database().prepare("SELECT value, reason FROM assumption");
    return s.step() ? std::pair(s.text(0), s.text(1)) : std::pair<std::string, std::string>();
  };
  const auto said = [&](const std::string& placement) { return row(placement, "{kind: grouped}", {}).first; };
  for (const char* no_plan : {"", "contiguous", "{replica_choice: nearest}"}) EXPECT_EQ(said(no_plan), "") << no_plan;
  EXPECT_EQ(said("greedy"), "planned from the very loads that it serves");
  EXPECT_EQ(said("{slots: 72}"), "planned from the very loads that it serves");
  for (const char* same : {"{}", "{step: 0}"})
    EXPECT_EQ(said(fmt::format("{{strategy: eplb, planned_on: {}}}", same)),
              "planned from the very loads that it serves");
  EXPECT_EQ(said("{strategy: eplb, planned_on: {step: 7}}"), "planned from the routing at step 7");
  const auto counts = [&](const std::string& name, int loaded, const std::string& more) {
    std::string layer;
    for (int e = 0; e < 64; ++e) layer += fmt::format("{}{}", e > 0 ? "," : "", e < loaded ? 1 + e : 0);
    std::string text;
    for (int l = 0; l < 27; ++l) text += fmt::format("{}[{}]", l > 0 ? "," : "", layer);
    return folder.write(name, fmt::format("{{{}\"logical_count\":[{}]}}", more, text));
  };
  const auto why = [&](const std::string& file) {
    return row(fmt::format("{{strategy: eplb, planned_on: {{file: {}}}}}", file), "{kind: grouped}", {}).second;
  };
  EXPECT_EQ(why(counts("all.json", 64, "")), "as asked");
  EXPECT_EQ(why(counts("one.json", 8, "")),
            "as asked; only 8 of its 64 experts have load: looks like the counts of a single rank, not of the group");
  EXPECT_EQ(why(counts("named.json", 64, "\"rank\":3,")),
            "as asked; the file says that it is of rank 3: counts of a single rank, not of the group");
  EXPECT_EQ(said("{strategy: eplb, planned_on: {phase: decode}}"), "planned from the routing of decode at step 0");
  EXPECT_EQ(said("{strategy: eplb, planned_on: {routing: balanced}}"), "planned from another routing at step 0");

  // What says less of life than it seems to.
  const std::string still = "; its loads do not move, so that every step has the same";
  EXPECT_EQ(row("{strategy: eplb, planned_on: {step: 7}}", "{kind: grouped}", {}).second, "as asked");
  EXPECT_EQ(row("{strategy: eplb, planned_on: {step: 7}}", "{kind: grouped, drift: 0}", {}).second, "as asked" + still);
  EXPECT_EQ(row("{strategy: eplb, planned_on: {step: 7, routing: balanced}}", "{kind: grouped}", {}).second,
            "as asked" + still);
  EXPECT_EQ(row("{strategy: eplb, planned_on: {phase: decode}}", "{kind: grouped}", routing::TracePhase::prefill).first,
            "planned from the routing of decode, for prefill, at step 0");
  EXPECT_EQ(row("{strategy: eplb, planned_on: {phase: decode}}", "{kind: grouped}", routing::TracePhase::decode).first,
            "planned from the routing of decode at step 0");
  const std::string file = write_small_trace(folder.file("trace.db"), model);
  const std::string planned = "{strategy: eplb, planned_on: {file: " + file;
  for (const std::string& served : {"{trace: " + file + "}", "{kind: trace, file: " + file + "}"})
    EXPECT_EQ(row(planned + "}}", served, {}), std::pair("planned from " + file + ", the very file that it serves",
                                                         std::string("as asked; systems plan from earlier loads")));
  EXPECT_EQ(row(planned + ", window: \"0:64\"}}", "{trace: " + file + "}", {}).first,
            "planned from " + file + ", tokens 0:64, a part of the file that it serves");
  EXPECT_EQ(row(planned + "}}", "{kind: grouped}", {}), std::pair("planned from " + file, std::string("as asked")));
}

TEST_F(PlannedOnTest, AWindowOfATraceIsItsTokensAlone) {
  const std::string file = write_small_trace(folder.file("trace.db"), model);
  const auto rows = [&](const std::string& window) {
    const Config config = Config::from_text("{planned_on: {file: " + file + ", window: \"" + window + "\"}}", "t.yaml");
    PlannedOn from;
    config.at("planned_on").parse(from);
    const auto source =
        routing::make_traffic(Config::from_text("kind: balanced", "t.yaml"), {{64, 6, 1, 1}, group, 1, std::nullopt});
    const PlanningLoads loads = planning_loads(config, from, model, {source.get(), {}, {}});
    double sum = 0;
    for (const double c : loads.loads.row(0)) sum += c;
    return sum;
  };
  EXPECT_EQ(rows("0:64"), 64 * 6);
  EXPECT_EQ(rows("192:"), 64 * 6);
  EXPECT_EQ(rows(":"), 256 * 6);
  const auto refused = [&](const std::string& placement) {
    return test::refusal_of([&] { placed(kRouting + "placement: " + placement + "\n"); });
  };
  EXPECT_NE(refused("{slots: 72, strategy: eplb, planned_on: {window: \"0:4\"}}")
                .find("placement.planned_on.window: is of a file's tokens: give the file"),
            std::string::npos);
  EXPECT_NE(refused("{slots: 72, strategy: eplb, planned_on: {file: " + file + ", window: \"9\"}}")
                .find("a window of tokens is written FIRST:END, got \"9\""),
            std::string::npos);
  std::ofstream(folder.file("counts.csv")) << "1,2,3\n";
  EXPECT_NE(
      refused("{slots: 72, strategy: eplb, planned_on: {file: " + folder.file("counts.csv") + ", window: \"0:4\"}}")
          .find("counts have no window of tokens"),
      std::string::npos);
}

TEST_F(PlannedOnTest, WhatDoesNotFitIsRefused) {
  const auto refused = [&](const std::string& placement) {
    return test::refusal_of([&] { placed(kRouting + "placement: " + placement + "\n"); });
  };
  std::ofstream(folder.file("few.csv")) << "1,2,3\n4,5,6\n";
  std::ofstream(folder.file("short.csv")) << [] {
    std::string row;
    for (int e = 0; e < 64; ++e) row += e == 63 ? "1\n" : "1,";
    return row + row;
  }();
  EXPECT_EQ(refused("{slots: 72, strategy: eplb, planned_on: {step: -1}}"),
            "test.yaml:2:59: placement.planned_on.step: steps are counted from 0, got -1");
  EXPECT_EQ(
      refused("{planned_on: {step: 5}}"),
      "test.yaml:2:25: placement.planned_on: experts in order need no plan: give a strategy, or slots for copies");
  EXPECT_EQ(refused("{slots: 72, strategy: eplb, planned_on: {phase: training}}"),
            "test.yaml:2:60: placement.planned_on.phase: \"training\" is not known here; there are: prefill, decode");
  EXPECT_EQ(refused("{slots: 72, strategy: eplb, planned_on: {file: " + folder.file("few.csv") + ", step: 5}}"),
            fmt::format("test.yaml:2:{}: placement.planned_on.step: a file says all of it: give either",
                        67 + folder.file("few.csv").size()));
  EXPECT_EQ(refused("{slots: 72, strategy: eplb, planned_on: {file: " + folder.file("few.csv") + "}}"),
            fmt::format("test.yaml:2:59: placement.planned_on.file: {}: has 3 experts, but deepseek-v2-lite has 64",
                        folder.file("few.csv")));
  EXPECT_EQ(refused("{slots: 72, strategy: eplb, planned_on: {file: " + folder.file("short.csv") + "}}"),
            fmt::format("test.yaml:2:59: placement.planned_on.file: {}: has no load in layer 2 of deepseek-v2-lite",
                        folder.file("short.csv")));
}
}  // namespace
}  // namespace moesim::placement
