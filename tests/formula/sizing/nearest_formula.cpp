// What a plan is told that nothing meets, from figures that are written out.
#include <gtest/gtest.h>

#include "sizing/answer.h"
#include "sizing/nearest.h"

namespace moesim::sizing {
namespace {
class Nearest : public testing::Test {
 protected:
  Nearest() {
    node_.node.gpus = 8, node_.node.title = "box", node_.gpu_hour = 1;
    node_.choice.node = Config::from_text("box", "test");
    plan_.section.targets.latency[latency_index("tpot_p90")] = from_seconds(0.01);
    plan_.section.targets.latency[latency_index("ttft_p90")] = from_seconds(1);
  }
  Proposal slow(int tensor, double tpot) const {
    Proposal out{&node_, "vllm", {.tensor = tensor, .batch = 16, .tokens = 2048}, {}};
    out.steady.tpot = tpot, out.steady.ttft = 0.1,
    out.steady.refused = "latency: a token takes " + std::to_string(tensor);
    return out;
  }
  Entry entry(int instances, double tpot, double ttft) const {
    Entry out;
    out.deployment = {&node_, "vllm", {{.tensor = 8, .batch = 16, .tokens = 2048}}, {instances}};
    if (tpot == 0) return out;
    out.figures.emplace();
    out.figures->latency[latency_index("tpot_p90")] = tpot;
    out.figures->latency[latency_index("ttft_p90")] = ttft;
    out.figures->finished = 100, out.fate = Fate::misses, out.reason = "as it is";
    return out;
  }
  PricedNode node_;
  Plan plan_;
  Search search_;
};

TEST_F(Nearest, OfPoolsThatAreAllTooSlowIsTheFastest) {
  search_.proposals = {slow(2, 0.034), slow(8, 0.012), slow(4, 0.02)};
  search_.proposals.push_back({&node_, "vllm", {}, {.refused = "memory: too much"}});
  EXPECT_EQ(
      nearest_text(plan_, search_),
      "Nothing can be built that meets the targets: 3 fall by latency, 1 fall by memory.\n"
      "Nearest in closed form, all but idle: both 1 x TP8, batch 16, 2048 tokens on box: a token takes 8; with that "
      "as the target it can be tried.\n");
}

TEST_F(Nearest, SaysForExampleWhatCannotBeBuiltWhereNoTargetIsAtFault) {
  PoolDesign design;
  design.data = 9;
  search_.proposals = {{&node_, "vllm", design, {.refused = "layout: 9 GPUs"}}};
  EXPECT_EQ(nearest_text(plan_, search_),
            "Nothing can be built that meets the targets: 1 fall by layout.\n"
            "For example both 1 x DP9, batch 256, 8192 tokens on box: layout: 9 GPUs.\n");
}

TEST_F(Nearest, OfWhatWasSimulatedNamesEveryTargetThatWouldHaveToChange) {
  search_.entries = {entry(1, 0.03, 2), entry(2, 0.012, 1.5), entry(3, 0.02, 0.5)};
  EXPECT_EQ(nearest_text(plan_, search_),
            "Nothing meets the targets. Nearest: both 2 x TP8, batch 16, 2048 tokens on box (16 GPUs): 50 % too much.\n"
            "It would do with its own figures as targets: ttft_p90 1.50 s of 1.00 s, tpot_p90 12.0 ms of 10.0 ms.\n");
}

TEST_F(Nearest, OfWhatIsTooLargeIsTheSmallestNotTheCheapest) {
  plan_.section.targets.gpus = 4;
  search_.entries = {entry(3, 0, 0), entry(2, 0, 0)};
  search_.entries[1].reason = "gpus 8 of 4";
  EXPECT_EQ(
      nearest_text(plan_, search_),
      "No deployment can be tried. Nearest in closed form: both 2 x TP8, batch 16, 2048 tokens on box (16 GPUs): gpus "
      "8 of 4.\n"
      "In closed form it would do with its own figures as limits: gpus 16 of 4.\n");
}

/// Of what must be reached, the rest is missing.
TEST_F(Nearest, SaysOfWhatMustBeReachedHowMuchIsMissing) {
  plan_.section.targets = {};
  plan_.section.targets.tokens_per_day = 86400e3;
  search_.entries = {entry(1, 0.005, 0.1)};
  search_.entries[0].figures->gpus = 4, search_.entries[0].figures->tokens_per_gpu = 100;
  const std::string text = nearest_text(plan_, search_);
  EXPECT_NE(text.find("(8 GPUs): 60 % too little.\n"), std::string::npos) << text;
  search_.entries[0].figures->tokens_per_gpu = 249.9;  // 0.04 % below
  EXPECT_NE(nearest_text(plan_, search_).find(": 0.04 % too little.\n"), std::string::npos);
}

TEST_F(Nearest, AnswerSaysInItsFirstLineOnHowManySeedsItMisses) {
  search_.entries = {entry(1, 0.009, 0.5)};
  search_.winner = 0;
  search_.ranking = {{.entry = 0, .headrooms = {0.1, -0.2, -0.01}}};
  EXPECT_EQ(seeds_missed(search_), 2);
  const std::string text = answer_text(plan_, search_, {});
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "8 GPUs, 1 node of box: both 1 x TP8, batch 16, 2048 tokens; it misses the targets on 2 of 3 seeds");
  search_.ranking[0].headrooms = {0.1, 0, 0.3};
  EXPECT_EQ(seeds_missed(search_), 0);
}
}  // namespace
}  // namespace moesim::sizing
