// Published figures beside simulated ones.
#include "runs/validate.h"

#include <gtest/gtest.h>

#include "core/config.h"
#include "support/temporary_folder.h"

namespace moesim::runs {
namespace {
std::string scenario_with(const TemporaryFolder& folder, const std::string& published) {
  const std::string file = folder.file("small.yaml");
  put_file(file,
           "model: deepseek-v2-lite\ncluster: h800-8\nrouting: balanced\n"
           "passes: {prefill: {steps: 1, sequences: 1, new_tokens: 64}, decode: {steps: 0}}\n" +
               published);
  return file;
}

TEST(Validate, HoldsEachPublishedFigureAgainstItsMetric) {
  const TemporaryFolder folder;
  const std::string file = scenario_with(
      folder, "published:\n  - {metric: balancedness, scope: 'phase:prefill', value: 0.5, source: a paper}\n");
  const std::vector<ValidationRow> rows = validate({file}, 2);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].metric, "balancedness");
  EXPECT_EQ(rows[0].source, "a paper");
  EXPECT_GT(rows[0].simulated, 0.5);  // routing is balanced but for chance
  EXPECT_LE(rows[0].simulated, 1);
  EXPECT_DOUBLE_EQ(rows[0].error(), rows[0].simulated / 0.5 - 1);
}

TEST(Validate, SaysHowFarEachSourceIsOff) {
  const auto row = [](const char* source, double simulated) {
    return ValidationRow{.scenario = "",
                         .metric = "",
                         .scope = "",
                         .unit = "",
                         .source = source,
                         .published = 100,
                         .simulated = simulated};
  };
  const std::vector<ValidationSpread> all =
      spread_of({row("arXiv:1, table 2", 90), row("a blog, 2025-05-05: prompts", 130), row("arXiv:1, table 3", 104)});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].source, "all");
  EXPECT_EQ(all[0].rows, 3u);
  EXPECT_NEAR(all[0].median, 0.1, 1e-12);
  EXPECT_NEAR(all[0].worst, 0.3, 1e-12);
  EXPECT_EQ(all[1].source, "arXiv:1");
  EXPECT_NEAR(all[1].median, 0.07, 1e-12);
  EXPECT_EQ(all[2].source, "a blog");
  EXPECT_EQ(all[2].rows, 1u);
  EXPECT_TRUE(spread_of({}).empty());
}

TEST(Validate, RefusesWhatItCannotCompare) {
  const TemporaryFolder folder;
  const auto problem_of = [&](const std::string& published) -> std::string {
    try {
      validate({scenario_with(folder, published)}, 1);
      return "";
    } catch (const ConfigError& e) {
      return e.what();
    }
  };
  const std::string file = folder.file("small.yaml");
  EXPECT_EQ(problem_of(""), file + ": has no published figures");
  EXPECT_EQ(problem_of("published: [{metric: ttft_mean, value: 1, source: a paper}]\n"),
            file + ": published ttft_mean: the run has no such metric of scope run");
}
}  // namespace
}  // namespace moesim::runs
