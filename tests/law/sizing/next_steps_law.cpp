// What a training answer says of other plans is what these plans take.
#include <algorithm>

#include "law/sizing/whole_runs.h"

namespace moesim::sizing {
namespace {

using NextSteps = WholeRuns;

/// What other plans would take is what they take, of the same layout and spare nodes.
TEST_F(NextSteps, NextStepsAreOtherPlansFigures) {
  const std::string failures = "restart_hours: 0.5, repair_hours: 30";
  const auto plan = [&](double tokens, double mtbf, const std::string& targets) {
    return job(fmt::format("{}", tokens), fmt::format("{{failures: {{gpu_mtbf_hours: {}, {}}}}}", mtbf, failures),
               targets);
  };
  const Job j = plan(5e10, 400, "{days: 6.5}");
  const Choice choice = choose(j, 2);
  ASSERT_TRUE(choice.winner);
  const MappingEntry& w = choice.entries[*choice.winner];
  const auto next = [&](const std::string& what) {
    const auto at = std::ranges::find(choice.next, what, &NextStep::what);
    EXPECT_NE(at, choice.next.end()) << what;
    return at == choice.next.end() ? NextStep{} : *at;
  };
  const auto same_as = [&](const NextStep& step, const DrawnRun& f) {
    EXPECT_DOUBLE_EQ(step.days, f.days) << step.what;
    EXPECT_DOUBLE_EQ(step.cost, f.cost) << step.what;
    EXPECT_DOUBLE_EQ(step.gpus, f.paid_gpus) << step.what;
  };
  same_as(next("tokens +20 %"), WholeRun(plan(6e10, 400, "{}"), w.mapping, w.result->step).drawn(choice.run->spares));
  same_as(next("failures twice as often"),
          WholeRun(plan(5e10, 200, "{}"), w.mapping, w.result->step).drawn(choice.run->spares));
  EXPECT_DOUBLE_EQ(next("price +20 %").cost, 1.2 * choice.run->cost);
  EXPECT_DOUBLE_EQ(next("price +20 %").days, choice.run->days);
  ASSERT_EQ(w.mapping.nodes, 2);
  const auto larger = choice.best_of(*w.mapping.node, 4);
  ASSERT_TRUE(larger && choice.entries[*larger].run);
  const DrawnRun& more = *choice.entries[*larger].run;
  same_as(next(more.spares > 0 ? fmt::format("2 more nodes, {} spare", more.spares) : "2 more nodes"), more);
}

/// A deadline gives way no farther than to the first run that is cheaper.
TEST_F(NextSteps, TheLeastRelaxationIsTheNextCheaperRun) {
  const std::string run = "{failures: {gpu_mtbf_hours: 60, restart_hours: 0.3, repair_hours: 5}}";
  const Choice open = choose(job("5e10", run, "{}"), 2);
  int relaxed = 0;
  for (const double share : {1.05, 1.3, 2.0, 3.0}) {
    const Job j = job("5e10", run, fmt::format("{{days: {}}}", share * open.run->within_days));
    const Choice choice = choose(j, 2);
    ASSERT_TRUE(choice.winner);
    const DrawnRun* least = nullptr;
    for (const MappingEntry& e : choice.entries)
      for (const DrawnRun& f : e.runs)
        if (f.within_days > j.section.targets.days && f.cost < choice.run->cost &&
            (least == nullptr || f.within_days < least->within_days))
          least = &f;
    const auto at =
        std::ranges::find_if(choice.next, [](const NextStep& n) { return n.what.starts_with("a deadline of "); });
    ASSERT_EQ(at != choice.next.end(), least != nullptr) << share;
    if (least == nullptr) continue;
    ++relaxed;
    EXPECT_EQ(at->what, "a deadline of " + days_text(least->within_days));
    EXPECT_DOUBLE_EQ(at->cost, least->cost);
    EXPECT_TRUE(at->standing.starts_with("takes ")) << at->standing;
    EXPECT_TRUE(at->standing.ends_with(" USD less")) << at->standing;
  }
  EXPECT_GT(relaxed, 0);
}

TEST_F(NextSteps, TheLeastBudgetMoreIsTheNextShorterRun) {
  const std::string run = "{failures: {gpu_mtbf_hours: 60, restart_hours: 0.3, repair_hours: 5}}";
  const Choice open = choose(job("5e10", run, "{}"), 2);
  int relaxed = 0;
  for (const double share : {0.7, 0.8, 0.9}) {
    const Job j = job("5e10", run, fmt::format("{{cost: {}}}", share * open.run->within_cost));
    const Choice choice = choose(j, 2);
    if (!choice.winner) continue;
    const DrawnRun* least = nullptr;
    for (const MappingEntry& e : choice.entries)
      for (const DrawnRun& f : e.runs)
        if (f.within_cost > j.section.targets.cost && f.days < choice.run->days &&
            (least == nullptr || f.within_cost < least->within_cost))
          least = &f;
    const auto at =
        std::ranges::find_if(choice.next, [](const NextStep& n) { return n.what.starts_with("a budget of "); });
    ASSERT_EQ(at != choice.next.end(), least != nullptr) << share;
    if (least == nullptr) continue;
    ++relaxed;
    EXPECT_DOUBLE_EQ(at->cost, least->cost);
    EXPECT_TRUE(at->standing.starts_with("saves ") && at->standing.ends_with(" USD more")) << at->standing;
  }
  EXPECT_GT(relaxed, 0);
}

TEST_F(NextSteps, MoreNodesThanMayBeHadAreSaidToBe) {
  for (const int most : {3, 4}) {
    const std::string file = folder_.file(fmt::format("most{}.yaml", most));
    put_file(file,
             fmt::format("model: deepseek-v2-lite\nseed: 3\nsize:\n  training: {{tokens: 1e10, settings: {{sequence: "
                         "2048, batch: 64}}}}\n  candidates: {{nodes: [{{node: hgx-h100, nodes: {}, price: 2 "
                         "USD/h}}], counts: [2], pipeline: [1], expert: [8], tensor: [1]}}\n",
                         most));
    const Job j = read_job(read_plan_head(file, {}, {}));
    const Choice choice = choose(j, 2);
    ASSERT_TRUE(choice.winner);
    const auto at = std::ranges::find(choice.next, "2 more nodes", &NextStep::what);
    ASSERT_NE(at, choice.next.end());
    EXPECT_EQ(at->standing.ends_with("; more than may be had"), most == 3) << at->standing;
    EXPECT_DOUBLE_EQ(at->gpus, 32);
  }
}
}  // namespace
}  // namespace moesim::sizing
