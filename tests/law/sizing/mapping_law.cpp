// What the search for a training mapping must never do: bound from above, lose the fastest, depend on the jobs.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "results/span.h"
#include "sizing/pretraining/job_answer.h"
#include "support/temporary_folder.h"
#include "training/study.h"

namespace moesim::sizing {
namespace {

std::string small_job(int batch, const std::string& targets, const std::string& candidates = "") {
  return fmt::format(
      "model: deepseek-v2-lite\nrouting: {{kind: log_normal, sigma: 0.4}}\nseed: 3\nsize:\n"
      "  training: {{tokens: 1e11, settings: {{sequence: 2048, batch: {}}}}}\n  targets: {}\n"
      "  candidates:\n    nodes: [{{node: hgx-h100, nodes: 4, price: 2 USD/h}}]\n    counts: [2, 4]\n"
      "    pipeline: [1, 2, 4]\n    expert: [8, 16]\n    tensor: [1, 2]\n{}",
      batch, targets, candidates);
}
Job read_small_job(const TemporaryFolder& folder, const std::string& text) {
  put_file(folder.file("job.yaml"), text);
  return read_job(read_plan_head(folder.file("job.yaml"), {}, {}));
}

TEST(Mapping, StepsAreNeverShorterThanTheirBound) {
  const TemporaryFolder folder;
  const Job job = read_small_job(folder, small_job(128, "{}"));
  int simulated = 0;
  for (const Mapping& m : mappings(job)) {
    try {
      const double least = least_step(job, m);
      const StepResult full = simulate_step(job, m, true), drawn_out = simulate_step(job, m, false);
      EXPECT_LE(least, full.step) << text_of(m);
      EXPECT_GT(least, 0.2 * full.step) << text_of(m);
      EXPECT_NEAR(drawn_out.step, full.step, 0.03 * full.step) << text_of(m);  // loads differ from draw to draw
      ++simulated;
    } catch (const ConfigError& e) {
      EXPECT_NE(e.problem(), "") << text_of(m);
    }
  }
  EXPECT_GT(simulated, 12);
}

TEST(Mapping, SearchFindsTheFastestOfAllThatCanBeSimulated) {
  const TemporaryFolder folder;
  const Job job = read_small_job(folder, small_job(64, "{}"));
  const Choice choice = choose(job, 2);
  ASSERT_TRUE(choice.winner);
  double shortest = 1e300;
  for (Mapping m : mappings(job))
    for (const training::RecomputeKind recompute : job.section.candidates.recompute) try {
        m.recompute = recompute;
        shortest = std::min(shortest, simulate_step(job, m, true).step);
      } catch (const ConfigError&) {
        continue;
      }
  EXPECT_DOUBLE_EQ(choice.entries[*choice.winner].result->step, shortest);
  for (const MappingEntry& e : choice.entries)
    EXPECT_EQ(e.reason.empty(), e.fate == MappingFate::chosen || e.fate == MappingFate::meets) << text_of(e.mapping);
}

TEST(Mapping, SearchGivesTheSameAnswerForAnyNumberOfJobs) {
  const TemporaryFolder folder;
  const Job job = read_small_job(folder, small_job(128, "{days: 40}"));
  EXPECT_EQ(answer_json(job, choose(job, 1)), answer_json(job, choose(job, 3)));
}

TEST(Mapping, WithADeadlineTheCheapestThatMeetsItIsChosen) {
  const TemporaryFolder folder;
  const Choice fastest = choose(read_small_job(folder, small_job(128, "{}")), 2);
  const Job open = read_small_job(folder, small_job(128, "{}"));
  const double days = fastest.entries[*fastest.winner].days(open);
  const Job job = read_small_job(folder, small_job(128, fmt::format("{{days: {}}}", 4 * days)));
  const Choice choice = choose(job, 2);
  ASSERT_TRUE(choice.winner);
  const MappingEntry& w = choice.entries[*choice.winner];
  EXPECT_LE(w.days(job), 4 * days);
  for (const MappingEntry& e : choice.entries)
    if (e.fate == MappingFate::meets) {
      EXPECT_GE(e.cost(job), w.cost(job)) << text_of(e.mapping);
    }
  EXPECT_NEAR(w.cost(job), w.days(job) * 24 * w.mapping.gpus() * 2, 1e-6 * w.cost(job));

  const Choice none = choose(read_small_job(folder, small_job(128, fmt::format("{{days: {}}}", days / 4))), 2);
  EXPECT_FALSE(none.winner);
  for (const MappingEntry& e : none.entries)
    EXPECT_TRUE(e.fate == MappingFate::misses || e.fate == MappingFate::illegal || e.fate == MappingFate::slower);
}

TEST(Mapping, TheAnswersScenarioHasTheAnswersStep) {
  const TemporaryFolder folder;
  const Job job = read_small_job(folder, small_job(64, "{}"));
  const Choice choice = choose(job, 2);
  const MappingEntry& w = choice.entries[*choice.winner];
  const Config scenario = Config::from_text(run_scenario_text(job, w.mapping, choice.run->spares), "answer");
  results::Results r(":memory:", {});
  results::SpanLog spans;
  results::StudyRun run{scenario, job.seed, r, spans};
  training::run_training(run);
  EXPECT_DOUBLE_EQ(r.metric_value("step_time"), w.result->step);
  EXPECT_EQ(std::int64_t(r.metric_value("peak_memory")), w.result->peak_memory);
  EXPECT_NEAR(r.metric_value("run_days"), w.days(job), 0.01 * w.days(job));
}

/// A node is paid for whole, whatever of it computes: in the search and in the run.
TEST(Mapping, CostsWholeNodesAsItsRunDoes) {
  const TemporaryFolder folder;
  std::string text = small_job(64, "{}");
  text.replace(text.find("batch: 64"), 9, "batch: 64, gpus_per_node: 4");
  const Job job = read_small_job(folder, text);
  const Choice choice = choose(job, 2);
  ASSERT_TRUE(choice.winner && choice.run);
  const MappingEntry& e = choice.entries[*choice.winner];
  EXPECT_EQ(e.mapping.gpus(), 4 * e.mapping.nodes);
  EXPECT_DOUBLE_EQ(e.mapping.cost_per_hour(), e.mapping.nodes * 8 * 2.0);
  EXPECT_NEAR(choice.run->cost / choice.run->gpu_hours, 4, 1e-9);  // two GPUs at 2 USD for each that computes
  EXPECT_NEAR(choice.run->cost / e.cost(job), 1, 0.01);
}
}  // namespace
}  // namespace moesim::sizing
