// What an answer says of itself: worked out in the head, the same in text and JSON.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sizing/answer.h"
#include "sizing/capacity.h"
#include "sizing/facts.h"
#include "spec/catalogue.h"
#include "support/text.h"

namespace moesim::sizing {
namespace {
using test::has;

class Said : public testing::Test {
 protected:
  Said() {
    node_.node.gpus = 8, node_.node.title = "box", node_.gpu_hour = 1;
    node_.choice.node = Config::from_text("box", "test");
    plan_.model = spec::load_model("mixtral-8x7b");
    plan_.load.input = 100;
    plan_.section.targets.latency[latency_index("tpot_p90")] = 10_ms;
    Entry e;
    e.deployment = {&node_, "vllm", {{.tensor = 4, .batch = 16, .tokens = 2048}}, {2}};
    e.figures.emplace();
    e.figures->latency[latency_index("tpot_p90")] = 0.005;
    e.figures->finished = e.figures->measured = 400, e.figures->share = 1;
    e.figures->utilisation = {0.5};
    e.trial.duration = 100_s, e.trial.warmup = 20_s;
    e.fate = Fate::chosen;
    search_.entries = {e};
    search_.winner = 0;
  }
  std::string text(const std::vector<Variation>& variations = {}) const {
    return answer_text(plan_, search_, variations);
  }
  nlohmann::json json(const std::vector<Variation>& variations = {}) const {
    return nlohmann::json::parse(answer_json(plan_, search_, variations));
  }
  PricedNode node_;
  Plan plan_;
  Search search_;
};

TEST_F(Said, WhatDoesNotHoldIsInTheFirstLinesAndInJson) {
  search_.checks = {{CheckKind::uneven_experts, "experts unevenly loaded", false, "served 87.3 %", 1.145},
                    {CheckKind::spare, "a node lost, after 85 s a spare serves", false, "ttft_p90 9 s of 3 s, then", 3},
                    {CheckKind::bursts, "arrivals in bursts", true, "tpot_p90 6 ms of 10 ms", 0.6}};
  EXPECT_TRUE(has(text(),
                  "\nnot held: experts unevenly loaded (served 87.3 %); a node lost, with a spare (ttft_p90 9 s "
                  "of 3 s)\n"))
      << text();
  EXPECT_EQ(json()["answer"]["not_held"].size(), 2u);
  EXPECT_EQ(json()["checks"][0]["kind"], "uneven_experts");
  search_.checks.erase(search_.checks.begin(), search_.checks.begin() + 2);
  EXPECT_FALSE(has(text(), "not held")) << text();
}

TEST_F(Said, WhatThePlanRequiresIsSaidWhereItIsMissed) {
  search_.checks = {
      {CheckKind::node_loss, "a node lost, no spare: its instance goes on without", false, "ttft_p90 4 s of 3 s", 2},
      {CheckKind::bursts, "arrivals in bursts", true, "tpot_p90 6 ms of 10 ms", 0.6}};
  EXPECT_TRUE(required_missed(plan_, search_).empty()) << "nothing is required";
  plan_.section.confirm.required = {CheckKind::bursts, CheckKind::drift};
  EXPECT_TRUE(required_missed(plan_, search_).empty()) << "it holds, and experts that are not placed do not drift";
  plan_.section.confirm.required = {CheckKind::spare};
  EXPECT_TRUE(required_missed(plan_, search_).empty()) << "with a spare was not asked";
  plan_.section.confirm.required = {CheckKind::node_loss};
  EXPECT_EQ(
      required_missed(plan_, search_),
      std::vector<std::string>{"node_loss: a node lost, no spare: its instance goes on without: ttft_p90 4 s of 3 s"});
  EXPECT_EQ(json()["answer"]["required_missed"].size(), 1u);
  plan_.section.confirm.required = {CheckKind::bursts};
  EXPECT_EQ(verdict_text(plan_, search_.checks[0]), "missed");
  EXPECT_EQ(verdict_text(plan_, search_.checks[1]), "met, required");
}

/// A latency that has much left may have none a little further on: what is left never stands alone.
TEST_F(Said, TheLoadThatIsCarriedComesBeforeWhatIsLeftOfATarget) {
  Variation as_it_is{.what = std::string(kAsItIs), .met = true, .gpus = 8, .cost_per_hour = 8};
  as_it_is.carried = Carried{4, 1.25, false, 1.3125, "ttft_p90 3.53 s of 3.00 s"};
  EXPECT_TRUE(has(text({as_it_is}),
                  "\ncarries 125 % of the load; at 131 % it misses ttft_p90 3.53 s of 3.00 s\nat the "
                  "load asked for tpot_p90 5.00 ms of 10.0 ms is tightest, 50 % left\n"))
      << text({as_it_is});
  EXPECT_EQ(json({as_it_is})["answer"]["carries"]["load"], 1.25);
  EXPECT_EQ(json({as_it_is})["answer"]["carries"]["missed_at"], 1.3125);
  EXPECT_EQ(text_of(Carried{1008, 64, true, 0, ""}), "carries 6400 % of the load or more");
}

TEST_F(Said, WhatIsHardlyUsedDoesNotBind) {
  plan_.section.targets.latency[latency_index("tpot_p90")] = 100_s;
  EXPECT_TRUE(has(text(), "\ntpot_p90 5.00 ms of 100 s is tightest: nothing binds\n")) << text();
  plan_.section.targets.latency[latency_index("tpot_p90")] = from_seconds(0.8);
  EXPECT_TRUE(has(text(), "tpot_p90 5.00 ms of 800 ms binds, 99 % left\n")) << text();
}

TEST_F(Said, AShareSaysOfHowManyRequestsItIs) {
  plan_.section.targets = {.share = 0.9, .tpot = 10_ms};
  EXPECT_TRUE(has(text(), "all of the 400 requests measured are within the targets\n")) << text();
  search_.entries[0].figures->share = 399.999 / 400;
  EXPECT_TRUE(has(text(), "99.99 % of the 400 requests measured are within the targets\n")) << text();
}

TEST_F(Said, AWindowShorterThanItsWorkloadAndFewRequestsAreSaid) {
  plan_.load.span = 300;
  plan_.section.search.most = 100_s;
  EXPECT_TRUE(has(text(), "\nsized for the first 100 s of the 5.00 min that the workload goes on for (search.most)\n"))
      << text();
  EXPECT_EQ(json()["answer"]["limits"].size(), 1u);
  plan_.load.span = 100;
  EXPECT_TRUE(limits_of(plan_, search_.entries[0].trial, *search_.entries[0].figures).empty());
  search_.entries[0].figures->measured = 100;  // ten beyond a p90
  EXPECT_TRUE(limits_of(plan_, search_.entries[0].trial, *search_.entries[0].figures).empty());
  search_.entries[0].figures->measured = 99;
  EXPECT_TRUE(has(text(), "\nfew requests: figures are of 99, 9.9 of them beyond 90 %\n")) << text();
}

TEST_F(Said, VariationsSayToHowManyInstancesTheyCome) {
  const Deployment& d = search_.entries[0].deployment;
  Variation more{.what = "load +100 %", .met = true, .gpus = 16, .cost_per_hour = 16, .standing = "tpot_p90 9 ms"};
  more.instances = {3};
  EXPECT_EQ(then_text(d, more), "both 2 x TP4 -> 3 x TP4: tpot_p90 9 ms");
  EXPECT_EQ(json({more})["variations"][0]["instances"]["both"], 3);
  more.instances = {2};
  EXPECT_EQ(then_text(d, more), "tpot_p90 9 ms");
  more.met = false;
  EXPECT_EQ(then_text(d, more), "misses: tpot_p90 9 ms");
}

TEST_F(Said, JsonHasWhatTheTextHas) {
  search_.entries[0].figures->warnings = "survivors: some";
  Proposal refused{&node_, "vllm", {.tensor = 8}, {.refused = "memory: too much"}};
  search_.proposals = {refused};
  const nlohmann::json out = json();
  EXPECT_NE(out["answer"]["launch"].get<std::string>().find("vllm serve"), std::string::npos);
  EXPECT_EQ(out["answer"]["simulated"], 100);
  EXPECT_EQ(out["answer"]["measured_after"], 20);
  EXPECT_EQ(out["answer"]["warnings"][0], "survivors: some");
  EXPECT_EQ(out["pools"][0]["fell"], "memory: too much");
  EXPECT_EQ(out["fell"][0]["by"], "memory");
  EXPECT_EQ(out["fell"][0]["pools"], 1);
  EXPECT_TRUE(has(text(), "warning: survivors: some\n"));
}
}  // namespace
}  // namespace moesim::sizing
