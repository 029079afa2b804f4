// A group of two ranks that grows to four, where links take all the time there is.
#include "served.h"
#include "support/pin.h"

namespace moesim::serving::growth {
namespace {
Served grown(const std::string& pool, const std::string& grow) {
  return run(on_unit_gpus(
      "{extends: mixtral-8x7b, layers: 2}",
      "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1 GB/s", 6,
      fmt::format(
          "routing: balanced\nserving:\n  duration: 60 s\n  front_end: {{}}\n  workload: {{kind: constant, rate: "
          "1, input: {{kind: fixed, mean: 10}}, output: {{kind: fixed, mean: 2}}}}\n  pools: [{{{}parallel: "
          "{{data: 2}}, overhead: 0 s, kv: {{capacity: 6400}}, grow: [{}]}}]\n",
          pool, grow)));
}

std::int64_t weights(const Served& r) {
  results::Statement s =
      r.results->database().prepare("SELECT bytes FROM memory WHERE scope = 'pool:both' AND part = 'weights'");
  EXPECT_TRUE(s.step());
  return s.integer(0);
}
constexpr double kExpert = 2.0 * 3 * 4096 * 14336;  // in BF16

// Two GPUs send two others what these hold: two of eight experts in each of two layers, and all else.  Of the second
// GPU's experts 4 to 7, it keeps none and gets 2 and 3; then all wait the 3 s that a switch takes.
TEST(GrowthFormula, NewRanksGetTheirWeightsFromTheOthers) {
  const Served r = grown("start_up: 5 s, ", "{at: 10 s, data: 4}");
  const char* scope = "pool:both,growth:0";
  test::pin(*r.results, "growth_ranks", scope, 4);
  EXPECT_GT(double(weights(r)), 2 * 2 * kExpert);
  test::pin(*r.results, "growth_preparation", scope, 5 + double(weights(r)) / 1e9, 1e-6);
  test::pin(*r.results, "growth_pause", scope, 3 + 2 * 2 * kExpert / 1e9, 1e-6);
}

// From two to six, each of two sends two others their weights, one after the other.
TEST(GrowthFormula, ManyNewRanksWaitForFewThatSend) {
  const Served r = grown("placement: {strategy: contiguous, slots: 12}, ", "{at: 10 s, data: 6, pause: 0 s}");
  test::pin(*r.results, "growth_preparation", "pool:both,growth:0", 2 * double(weights(r)) / 1e9, 1e-6);
}

TEST(GrowthFormula, OneAfterTheOther) {
  const Served r = grown("placement: {strategy: contiguous, slots: 12}, ",
                         "{at: 10 s, data: 4, pause: 1 s}, {at: 10 s, data: 6, pause: 2 s}");
  EXPECT_EQ(r.at("growth_ranks", "pool:both,growth:0"), 4);
  EXPECT_EQ(r.at("growth_ranks", "pool:both,growth:1"), 6);
  EXPECT_GE(r.at("growth_pause", "pool:both,growth:1"), 2);
  EXPECT_EQ(r.at("requests_unaccounted"), 0);
}
}  // namespace
}  // namespace moesim::serving::growth
