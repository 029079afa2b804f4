// Published figures beside simulated ones.
#include "runs/validate.h"

#include <gtest/gtest.h>

#include <set>

#include "core/config.h"
#include "results/store.h"
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

/// Of two scenarios, the first with two figures.
results::Database stored(const TemporaryFolder& folder, std::uint64_t first, std::uint64_t second) {
  const std::string file = folder.file(std::to_string(first) + "-" + std::to_string(second) + ".db");
  const auto row = [](const char* scenario, std::uint64_t fingerprint) {
    return ValidationRow{.scenario = scenario,
                         .metric = "",
                         .scope = "",
                         .unit = "",
                         .source = "a paper",
                         .published = 100,
                         .simulated = 90,
                         .fingerprint = fingerprint};
  };
  results::Results r(file, {"t", "validate", "", "", "", 1});
  store({row("a", first), row("a", first), row("b", second)}, r, "");
  return results::Database::open_existing(file);
}

TEST(Validate, ItsFingerprintIsThatOfEveryRunInItsPlace) {
  const TemporaryFolder folder;
  std::set<std::string> seen;
  for (const auto& [first, second] : {std::pair(1U, 2U), {2U, 1U}, {1U, 3U}, {3U, 2U}}) {
    results::Database db = stored(folder, first, second);
    EXPECT_EQ(db.value("SELECT count(*) FROM validation"), "3");
    EXPECT_EQ(db.value("SELECT events FROM run"), "2") << "runs";
    seen.insert(db.value("SELECT fingerprint FROM run").value_or(""));
  }
  EXPECT_EQ(seen.size(), 4U);
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
