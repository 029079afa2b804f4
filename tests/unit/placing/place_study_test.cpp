// The study's own keys: what a scenario says is what is planned, and what its plans are called.
#include "placing/place_study.h"

#include <gtest/gtest.h>

#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::placing {
namespace {
/// Four experts of one layer on two of a node's GPUs; three of four tokens choose the first two.
class PlaceStudy : public testing::Test {
 protected:
  void run(const std::string& strategies, const std::string& more = "") {
    const std::string loads = folder_.write("loads.json", "[[3, 3, 1, 1]]");
    const Config scenario = Config::from_text(
        "model: {extends: mixtral-8x7b, layers: 1, moe: {experts: 4, top_k: 1}}\ncluster: h800-8\nplace: {times: "
        "false, "
        "gpus: 2, loads: [" +
            loads + "], strategies: [" + strategies + "]" + more + "}\n",
        "place.yaml");
    results::SpanLog spans;
    results::StudyRun study{scenario, 1, results_, spans};
    run_place(study);
  }
  TemporaryFolder folder_;
  results::Results results_{":memory:", results::RunIdentity{}};
};

TEST_F(PlaceStudy, AFasterGpuMayHaveAsMuchMore) {
  run("contiguous", ", gpu_speed: [3, 1]");
  EXPECT_DOUBLE_EQ(results_.metric_value("balancedness"), 1);  // 6 tokens at 3 and 2 at 1
}

TEST_F(PlaceStudy, AStrategyTriedOnceIsCalledByItsKind) {
  run("{kind: robust, sweeps: 1}, contiguous");
  EXPECT_TRUE(results_.has_metric("balancedness", "placement:robust:4"));
  EXPECT_TRUE(results_.has_metric("balancedness", "placement:contiguous:4"));
}

TEST_F(PlaceStudy, OneTriedTwiceIsCalledByItsParametersToo) {
  run("{kind: robust, sweeps: 1}, {kind: robust, sweeps: 2, drift: 0.1}, robust");
  EXPECT_TRUE(results_.has_metric("balancedness", "placement:robust(sweeps=1):4"));
  EXPECT_TRUE(results_.has_metric("balancedness", "placement:robust(sweeps=2,drift=0.1):4"));
  EXPECT_TRUE(results_.has_metric("balancedness", "placement:robust:4"));
  const std::string twice = test::refusal_of([&] { run("{kind: robust, sweeps: 1}, {kind: robust, sweeps: 1}"); });
  EXPECT_NE(twice.find(": robust(sweeps=1) is listed twice"), std::string::npos) << twice;
}

TEST_F(PlaceStudy, OneTokenIsEnoughAndNoneIsNot) {
  for (const char* key : {"prefill_tokens", "decode_tokens", "context", "sample"}) {
    const std::string more = std::string(", ") + key + ": ";
    const auto with = [&](const char* value) { return test::refusal_of([&] { run("contiguous", more + value); }); };
    const std::string none = with("0"), many = with("16777217");
    const std::string asked = std::string("place.") + key + ": expected 1 to 16777216 tokens, got ";
    EXPECT_NE(none.find(asked + "0"), std::string::npos) << none;
    EXPECT_NE(many.find(asked + "16777217"), std::string::npos) << many;
  }
  run("contiguous", ", prefill_tokens: 1, decode_tokens: 1, context: 1, sample: 16777216");
}

// Two plans of three layers: ten slots and four experts of 16 bytes each.
TEST(PlaceEstimate, APlanKeepsItsSlotsAndExperts) {
  const Estimate e =
      estimate(PlaceCounts{.gpus = 5, .slots = 10, .experts = 4, .layers = 3, .top_k = 2, .plans = 2, .sample = 100});
  ASSERT_EQ(e.parts.size(), 4u);
  EXPECT_EQ(e.parts[1].key, "place.slots");
  EXPECT_EQ(e.parts[1].what, "2 plans of 10 slots a layer");
  EXPECT_EQ(e.parts[1].bytes, 2 * 3 * (10 + 4) * 16);
  EXPECT_EQ(e.parts[2].bytes, 5 * 5 * 24 + 5 * 10 * 4);
  EXPECT_EQ(e.parts[3].bytes, 100 * 3 * 2 * 2);
}
}  // namespace
}  // namespace moesim::placing
