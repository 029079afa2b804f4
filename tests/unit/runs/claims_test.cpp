// Popular statements against the runs that answer them.
#include "runs/claims.h"

#include <gtest/gtest.h>

#include "core/config.h"
#include "core/paths.h"
#include "runs/scenario.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::runs {
namespace {
ClaimFile claim_of(const std::string& holds) {
  ClaimFile out;
  Config::from_text(
      "{claim: c, source: s, scenario: x, metric: m, cases: [{name: a}, {name: b}, {name: c}], holds: " + holds + "}",
      "claim")
      .parse(out);
  return out;
}

TEST(Claims, RisingMeansEveryStep) {
  EXPECT_TRUE(judged(claim_of("{rising: true}"), {1, 2, 3}).holds);
  EXPECT_FALSE(judged(claim_of("{rising: true}"), {1, 3, 2}).holds);
  EXPECT_FALSE(judged(claim_of("{rising: true}"), {1, 2, 2}).holds);
}

TEST(Claims, RatiosAndValuesMustAllHold) {
  const ClaimFile claim = claim_of("{ratio: [{of: b, to: a, at_least: 2}], value: [{of: c, at_most: 10}]}");
  EXPECT_TRUE(judged(claim, {1, 2, 10}).holds);
  EXPECT_FALSE(judged(claim, {1, 1.9, 10}).holds);
  EXPECT_FALSE(judged(claim, {1, 2, 11}).holds);
  EXPECT_EQ(judged(claim, {1, 1.9, 11}).why, "b is 1.90 times a, said: at least 2; c: 11, said: at most 10");
}

TEST(Claims, TestsOfNothingAreRefused) {
  const auto refusal = [](const std::string& holds) {
    return test::refusal_of([&] { judged(claim_of(holds), {1, 2, 3}); });
  };
  EXPECT_EQ(refusal("{}"), "holds: needs rising, ratio or value");
  EXPECT_EQ(refusal("{value: [{of: d, at_most: 1}]}"), "holds: no case is called \"d\"");
  EXPECT_EQ(refusal("{value: [{of: a}]}"), "holds: \"a\" needs at_least or at_most");
  EXPECT_EQ(refusal("{ratio: [{of: a, at_most: 1}]}"), "holds.ratio: \"a\" needs `to`: what it is divided by");
}

TEST(Claims, RunsEveryCaseWithItsChanges) {
  const TemporaryFolder folder;
  put_file(folder.file("small.yaml"),
           "model: deepseek-v2-lite\ncluster: h800-8\nrouting: balanced\n"
           "passes: {prefill: {steps: 1, sequences: 1, new_tokens: 64}, decode: {steps: 0}}\n");
  put_file(folder.file("claim.yaml"),
           "claim: longer prompts take longer\nsource: everybody\nscenario: " + folder.file("small.yaml") +
               "\nmetric: step_time\nscope: 'phase:prefill'\n"
               "cases: [{name: short}, {name: long, set: [passes.prefill.new_tokens=4096]}]\n"
               "holds: {rising: true}\n");
  const std::vector<ClaimAnswer> answers = answer_claims({folder.file("claim.yaml")}, 1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].holds);
  EXPECT_EQ(answers[0].unit, "s");
  EXPECT_GT(answers[0].values[1], answers[0].values[0]);
}

TEST(Claims, EveryClaimOfTheCatalogueCanBeRead) {
  for (const std::string& name : catalogue_names("scenarios/claims")) {
    ClaimFile claim;
    Config::load(catalogue_file("scenarios/claims", name, "claim")).parse(claim);
    EXPECT_EQ(judged(claim, std::vector<double>(claim.cases.size(), 1)).names.size(), claim.cases.size()) << name;
    for (const ClaimCase& c : claim.cases) {
      std::vector<std::string> all = claim.set;
      all.insert(all.end(), c.set.begin(), c.set.end());
      std::vector<Config::Override> overrides;
      for (const std::string& s : all) overrides.push_back({s.substr(0, s.find('=')), s.substr(s.find('=') + 1)});
      EXPECT_NO_THROW(load_scenario(c.scenario.empty() ? claim.scenario : c.scenario, overrides)) << name;
    }
  }
}
}  // namespace
}  // namespace moesim::runs
