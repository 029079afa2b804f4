#include "numerics/pass/gates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/random.h"
#include "numerics/pass/balance.h"

namespace moesim::numerics {
namespace {

spec::MoeShape sixteen() {
  spec::MoeShape moe;
  moe.experts = 16, moe.top_k = 4, moe.groups = 4, moe.groups_used = 2;
  moe.score = spec::Score::sigmoid, moe.selection = spec::Selection::noaux_tc, moe.normalise = true, moe.scale = 2.5;
  return moe;
}

/// Logits of many tokens, the low experts favoured.
Matrix skewed_logits(int tokens, int experts) {
  Random random(5, "logits");
  Matrix logits(tokens, experts);
  for (int t = 0; t < tokens; ++t)
    for (int e = 0; e < experts; ++e) logits.row(t)[e] = float(random.normal() - 0.1 * e);
  return logits;
}

std::vector<int> load_of(const Routing& r, int experts) {
  std::vector<int> load(static_cast<std::size_t>(experts));
  for (const int e : r.experts)
    if (e >= 0) ++load[std::size_t(e)];
  return load;
}
int range_of(const std::vector<int>& load) { return *std::ranges::max_element(load) - *std::ranges::min_element(load); }

class Gates : public testing::Test {
 protected:
  Routing choose(Gate& gate, const spec::MoeShape& moe, const Matrix& logits) {
    Routing out;
    gate.choose({machine_, moe, 0, logits, logits, bias_.data()}, out);
    return out;
  }
  static std::unique_ptr<Gate> make(const std::string& text) {
    return gates().make(Config::from_text("gate: " + text, "test").at("gate"));
  }
  Threads threads_{2};
  Machine machine_{threads_, fp32_arithmetic()};
  std::vector<float> bias_ = std::vector<float>(16, 0.0F);
};

TEST_F(Gates, EveryKindGivesEachTokenDistinctExpertsOrNone) {
  const spec::MoeShape moe = sixteen();
  const Matrix logits = skewed_logits(200, moe.experts);
  for (const auto& entry : gates().table()) {
    SCOPED_TRACE(std::string(entry.kind));
    const auto gate = make(std::string(entry.kind));
    const Routing r = choose(*gate, moe, logits);
    EXPECT_EQ(r.tokens, 200);
    ASSERT_EQ(r.experts.size(), 800U);
    ASSERT_EQ(r.weights.size(), 800U);
    for (int t = 0; t < r.tokens; ++t) {
      std::set<int> seen;
      for (int k = 0; k < r.top_k; ++k) {
        const int e = r.experts[std::size_t(t * r.top_k + k)];
        const float w = r.weights[std::size_t(t * r.top_k + k)];
        EXPECT_TRUE(e >= -1 && e < moe.experts);
        EXPECT_TRUE(e >= 0 ? w > 0 : w == 0);
        EXPECT_TRUE(e < 0 || seen.insert(e).second);
      }
    }
  }
}

TEST_F(Gates, TheBalancingRuleEvensTheLoadOut) {
  const spec::MoeShape moe = sixteen();
  const Matrix logits = skewed_logits(400, moe.experts);
  const auto gate = make("{kind: balanced, gamma: 0.01, window: 400}");
  const int before = range_of(load_of(choose(*gate, moe, logits), moe.experts));
  for (int i = 0; i < 60; ++i) choose(*gate, moe, logits);
  const int after = range_of(load_of(choose(*gate, moe, logits), moe.experts));
  EXPECT_GT(before, 100);
  EXPECT_LT(after, 30);
}

TEST_F(Gates, TheBiasMovesOnlyAfterAWholeWindow) {
  const spec::MoeShape moe = sixteen();
  const Matrix logits = skewed_logits(100, moe.experts);
  const auto gate = make("{kind: balanced, gamma: 0.5, window: 200}");
  const Routing first = choose(*gate, moe, logits), second = choose(*gate, moe, logits),
                third = choose(*gate, moe, logits);
  EXPECT_EQ(first.experts, second.experts);
  EXPECT_NE(second.experts, third.experts);
}

TEST_F(Gates, NoExpertTakesMoreThanItsCapacityAndTheLowestWeightsGo) {
  spec::MoeShape moe = sixteen();
  moe.top_k = 1, moe.groups_used = 4, moe.normalise = false;
  Matrix logits(4, 16);  // all four tokens want expert 3, more and more; the mean is 4 / 16
  for (int t = 0; t < 4; ++t) logits.row(t)[3] = float(t + 1);
  const Routing kept = choose(*make("{kind: capacity, factor: 8}"), moe, logits);  // room for two
  EXPECT_EQ(kept.experts, (std::vector{-1, -1, 3, 3}));
  const Routing early = choose(*make("{kind: capacity, factor: 8, by_score: false}"), moe, logits);
  EXPECT_EQ(early.experts, (std::vector{3, 3, -1, -1}));
  const Routing all = choose(*make("{kind: capacity, factor: 16}"), moe, logits);
  EXPECT_EQ(all.experts, (std::vector{3, 3, 3, 3}));
}

TEST_F(Gates, NoiseIsNamedByItsSeed) {
  const spec::MoeShape moe = sixteen();
  const Matrix logits = skewed_logits(50, moe.experts);
  const auto choice = [&](const std::string& text) { return choose(*make(text), moe, logits).experts; };
  EXPECT_EQ(choice("{kind: noisy, seed: 3}"), choice("{kind: noisy, seed: 3}"));
  EXPECT_NE(choice("{kind: noisy, seed: 3}"), choice("{kind: noisy, seed: 4}"));
  EXPECT_EQ(choice("{kind: noisy, noise: 0}"), choice("published"));
}

TEST_F(Gates, TheBalanceRuleIsTheSignOfTheDifference) {
  std::vector<float> bias{0, 0, 0};
  balance_step(std::vector<double>{5, 3, 4}, std::vector<double>{4, 4, 4}, 0.25, bias);
  EXPECT_EQ(bias, (std::vector<float>{-0.25F, 0.25F, 0}));
}
}  // namespace
}  // namespace moesim::numerics
