// Checks that a plan requires make its answer's exit code.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "law/sizing/small_plans.h"
#include "sizing/confirm.h"
#include "sizing/facts.h"
#include "sizing/required.h"
#include "sizing/size.h"

namespace moesim::sizing {
namespace {
std::string changed(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

/// One kind of node, one of it: without it nobody is served.
TEST(Required, ChecksThatAreMissedAreNoSuccessThoughThereIsAnAnswer) {
  const TemporaryFolder folder;
  std::string text = changed(small_plan(2), "nodes: [{node: hgx-h100, nodes: 2}, {node: hgx-h200, nodes: 2}]",
                             "nodes: [{node: hgx-h200, nodes: 1}]");
  text = changed(text, "tensor: [1, 2]\n    data: [1, 4, 8]", "tensor: [1]\n    data: [8]");
  for (const bool required : {false, true}) {
    SizeOptions options;
    options.plan = folder.file("plan.yaml");
    options.jobs = 2, options.json = true;
    put_file(options.plan, text + (required ? "  confirm: {required: [bursts, node_loss]}\n" : ""));
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    EXPECT_EQ(size(options), required ? 1 : 0);
    const std::string said = testing::internal::GetCapturedStderr();
    const auto answer = nlohmann::json::parse(testing::internal::GetCapturedStdout());
    EXPECT_TRUE(answer["met"]);
    EXPECT_EQ(answer["answer"]["not_held"][0], "a node lost (it is the only node)");
    EXPECT_EQ(answer["answer"]["required_missed"].size(), required ? 1u : 0u);
    EXPECT_EQ(
        said.find("required and not held: node_loss: a node lost, no spare: it is the only node") != std::string::npos,
        required)
        << said;
  }
}

/// Nodes that may be had make up for one that is lost: the search goes on until its answer holds what is required.
TEST(Required, ChecksThatAreMissedMakeWayForWhatHolds) {
  const TemporaryFolder folder;
  std::string text = changed(small_plan(2), "nodes: [{node: hgx-h100, nodes: 2}, {node: hgx-h200, nodes: 2}]",
                             "nodes: [{node: hgx-h200, nodes: 4}]");
  text = changed(text, "tensor: [1, 2]\n    data: [1, 4, 8]", "tensor: [1]\n    data: [4, 8]");
  put_file(folder.file("plan.yaml"), text);
  const Plan open = read_plan(folder.file("plan.yaml"), {}, {});
  put_file(folder.file("required.yaml"), text + "  confirm: {required: [node_loss]}\n");
  const Plan plan = read_plan(folder.file("required.yaml"), {}, {});
  const Search first = search(open, 2), s = search(plan, 2);
  ASSERT_TRUE(first.winner && s.winner);
  EXPECT_EQ(first.entries[*first.winner].deployment.nodes(), 1) << "the cheapest is one node";
  const Entry& w = s.entries[*s.winner];
  EXPECT_GT(w.deployment.nodes(), 1);
  EXPECT_TRUE(required_missed(plan, s).empty());
  ASSERT_FALSE(s.unheld.empty());
  EXPECT_LE(s.unheld.size(), kMostUnheld);
  // What fell is in the ledger by that reason, and is cheaper.
  int fell = 0;
  for (const Entry& e : s.entries) {
    if (e.fell != Fell::check) continue;
    ++fell;
    EXPECT_TRUE(e.reason.starts_with("lost node: a node lost, no spare: ")) << e.reason;
    EXPECT_EQ(e.fate, Fate::misses);
    EXPECT_LE(e.deployment.cost_per_hour(), w.deployment.cost_per_hour());
  }
  EXPECT_EQ(std::size_t(fell), s.unheld.size());
  // An instance less of what was chosen does not hold, or does not meet the targets.
  Entry fewer = w;
  for (std::size_t p = 0; p < w.deployment.pools.size(); ++p) {
    fewer.deployment = w.deployment;
    while (fewer.deployment.instances[p] > 0 && fewer.deployment.gpus() == w.deployment.gpus())
      --fewer.deployment.instances[p];
    if (fewer.deployment.instances[p] < 1) continue;
    const bool held = all_met(standings(plan.section.targets, simulate(plan, fewer.deployment, w.trial)));
    const std::vector<Check> checks = required_checks(plan, fewer, 2);
    EXPECT_FALSE(held && checks.front().met) << text_of(fewer.deployment);
  }
  EXPECT_EQ(answer_json(plan, s, {}), answer_json(plan, search(plan, 1), {}));
  EXPECT_NE(answer_text(plan, s, {}).find("fell by what the plan requires: lost node: "), std::string::npos);
}
}  // namespace
}  // namespace moesim::sizing
