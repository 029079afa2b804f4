#include <gtest/gtest.h>

#include "exchange/replica_choice.h"
#include "support/refusal.h"

namespace moesim::exchange {
namespace {
Config choice(const std::string& text) {
  return Config::from_text("placement:\n  replica_choice: " + text + "\n", "s.yaml")
      .at("placement")
      .at("replica_choice");
}

TEST(ReplicaSpec, RefusesWhatIsNoChoiceWhereItStands) {
  EXPECT_EQ(test::refusal_of([] { ReplicaSpec{choice("round_robbin")}; }),
            "s.yaml:2:19: placement.replica_choice: no replica choice is called \"round_robbin\"; did you mean "
            "\"round_robin\"?");
  EXPECT_EQ(test::refusal_of([] { ReplicaSpec{choice("{kind: nearest, far: 1}")}; }),
            "s.yaml:2:35: placement.replica_choice: unknown key \"far\"; known keys: kind");
  EXPECT_EQ(test::refusal_of([] { ReplicaSpec{choice("{kind: balanced}")}; }), "accepted");
}

TEST(ReplicaSpec, UnnamedIsNearest) {
  // One expert in both slots of two GPUs.
  const ExpertMap map{1, 2, 1, {0, 0}};
  routing::Traffic traffic;
  traffic.tokens = {4, 2};
  traffic.choices.assign(6, 0);
  routing::count_rows({1, 1, 1, 1}, traffic);
  const auto split = [&](const ReplicaSpec& spec) {
    std::vector<std::int32_t> out(4);
    spec.make(map, {2, 1})->split(traffic, out);
    return out;
  };
  EXPECT_EQ(split({}), (std::vector<std::int32_t>{4, 0, 0, 2}));
  EXPECT_EQ(split(ReplicaSpec{choice("nearest")}), split({}));
  EXPECT_EQ(split(ReplicaSpec{choice("round_robin")}), (std::vector<std::int32_t>{2, 2, 1, 1}));
}

TEST(ReplicaSpec, ClosedFormsTakeEvenOrLevelSharesWhereThereIsAChoice) {
  EXPECT_EQ(test::refusal_of([] { (void)ReplicaSpec{choice("least_loaded")}.levels_sums("serving", true); }),
            "s.yaml:2:19: placement.replica_choice: serving does not know which source an expert's rows come from, so "
            "its copies share them evenly (round_robin) or as levels the GPUs (balanced), got least_loaded");
  EXPECT_FALSE(ReplicaSpec{choice("least_loaded")}.levels_sums("serving", false));
  EXPECT_FALSE(ReplicaSpec{choice("round_robin")}.levels_sums("serving", true));
  EXPECT_TRUE(ReplicaSpec{choice("balanced")}.levels_sums("serving", true));
  EXPECT_FALSE(ReplicaSpec{choice("balanced")}.levels_sums("serving", false)) << "no copies";
  EXPECT_FALSE(ReplicaSpec{}.levels_sums("serving", true));
}
}  // namespace
}  // namespace moesim::exchange
