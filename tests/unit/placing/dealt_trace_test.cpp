// Traces whose tokens were drawn from counts: nothing may be planned from what they have together.
#include <gtest/gtest.h>

#include <algorithm>

#include "placement/from_trace.h"
#include "placement/planned_on.h"
#include "placing/place.h"
#include "routing/importers/import.h"
#include "small_place.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::placing {
namespace {
const std::string kDealt = "experts of a token were dealt, not recorded: nothing is known of what is used together";

class DealtTrace : public testing::Test {
 protected:
  DealtTrace() {
    routing::ImportOptions options;
    options.output = folder.file("dealt.db");
    options.top_k = 2;
    routing::import_trace({folder.write("counts.json", "[[40,30,20,10,10,20,30,40],[10,20,30,40,40,30,20,10]]")},
                          options);
    o.planned = {read_workload(options.output)};
    o.problem.gpus = 4;
    o.problem.nodes = 2;
    o.slots = {8};
  }
  StrategyChoice choice(const std::string& name, const std::string& config) const {
    return {name, Config::from_text(config, "test")};
  }
  TemporaryFolder folder;
  PlaceOptions o;
};

TEST_F(DealtTrace, StrategiesOfWhatIsUsedTogetherDoNotApply) {
  o.strategies = {strategy_named("eplb"),
                  strategy_named("coactivation"),
                  strategy_named("affinity"),
                  strategy_named("joint"),
                  strategy_named("traffic"),
                  strategy_named("robust"),
                  choice("nodes", "{kind: local_search, objective: nodes}"),
                  choice("exchange", "{kind: local_search, objective: exchange}")};
  const PlaceResult r = place(o);
  std::vector<std::string> rows, others;
  for (const PlaceRow& row : r.rows) rows.push_back(row.strategy);
  for (const NotApplied& n : r.not_applied) {
    others.push_back(n.strategy);
    EXPECT_TRUE(n.reason.ends_with(kDealt)) << n.reason;
  }
  EXPECT_EQ(rows, (std::vector<std::string>{"eplb", "robust"}));
  EXPECT_EQ(others, (std::vector<std::string>{"coactivation", "affinity", "joint", "traffic", "nodes", "exchange"}));
  EXPECT_TRUE(std::ranges::any_of(
      r.notes, [](const std::string& n) { return n.starts_with("dealt: tokens were dealt from counts"); }));
  // With groups kept on nodes it is each node's sample that says so.
  o.problem.groups = 2;
  o.problem.keep_groups = true;
  EXPECT_EQ(place(o).not_applied.size(), 6u);
}

TEST_F(DealtTrace, SamplesSayItWhereverTheyComeFrom) {
  const routing::Trace& trace = *o.planned[0].trace;
  EXPECT_TRUE(placement::sample_of_trace(trace, {0, trace.tokens()}, o.planned[0].loads, 16).dealt);
  const auto source = routing::make_traffic(Config::from_text("{trace: " + trace.file() + "}", "test"),
                                            {{8, 2, 1, 1}, {4, 2}, 1, std::nullopt});
  const std::optional<placement::RoutingSample> sample =
      placement::sample_of_source(*source, o.planned[0].loads.layers, 2);
  ASSERT_TRUE(sample.has_value());
  EXPECT_TRUE(sample->dealt);
}
}  // namespace
}  // namespace moesim::placing
