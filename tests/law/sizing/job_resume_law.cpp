// A search for a training mapping that was cut short, or shared out, answers as one that was not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "law/sizing/cut_short.h"
#include "sizing/trial_book.h"

namespace moesim::sizing {
namespace {

class JobResume : public CutShort {
 protected:
  JobResume() : CutShort("job.yaml", {"mapping"}, "step_trial") {}
  void SetUp() override {
    put_file(file("job.yaml"),
             "model: deepseek-v2-lite\nrouting: {kind: log_normal, sigma: 0.4}\nseed: 3\nsize:\n"
             "  training: {tokens: 1e11, settings: {sequence: 2048, batch: 128, lora: {rank: 8}}, run: {failures: "
             "{gpu_mtbf_hours: 100}}}\n"
             "  candidates:\n    nodes: [{node: hgx-h100, nodes: 3, price: 2 USD/h}]\n    counts: [1, 2]\n"
             "    pipeline: [1, 2]\n    expert: [8]\n    tensor: [1, 2]\n");
  }
};

TEST_F(JobResume, AnswersTheSameWhateverWasSimulatedBefore) {
  const std::string whole = answer(options("one.db")), one = contents(file("one.db"));
  ASSERT_GT(trials(file("one.db")), 3);
  for (const char* keep : {"0", "rowid % 2 = 1"}) {
    std::filesystem::copy_file(file("one.db"), file("cut.db"));
    cut(file("cut.db"), keep);
    SizeOptions resumed = options("cut.db");
    resumed.resume = true;
    EXPECT_EQ(answer(resumed), whole) << keep;
    EXPECT_EQ(contents(file("cut.db")), one) << keep;
    std::filesystem::remove(file("cut.db"));
  }
}

TEST_F(JobResume, TakesWhatIsStoredInsteadOfSimulatingIt) {
  (void)answer(options("one.db"));
  // A step that was changed behind the program's back shows in the answer: it was not simulated again.
  test::change_database(file("one.db"), "UPDATE step_trial SET memory = 'from the book'");
  SizeOptions again = options("one.db");
  again.resume = true;
  EXPECT_NE(answer(again).find("from the book"), std::string::npos);
}

TEST_F(JobResume, OfMergedShardsAnswersAsOneProcess) {
  const std::string whole = answer(options("one.db"));
  std::vector<std::string> shards;
  for (int k = 1; k <= 2; ++k) {
    SizeOptions part = options(fmt::format("shard{}.db", k));
    part.shard = {k, 2};
    testing::internal::CaptureStdout();
    EXPECT_EQ(size(part), 0);
    (void)testing::internal::GetCapturedStdout();
    shards.push_back(part.output);
  }
  merge_trials(file("all.db"), shards);
  SizeOptions resumed = options("all.db");
  resumed.resume = true;
  EXPECT_EQ(answer(resumed), whole);
  EXPECT_GE(trials(file("all.db")), trials(file("one.db")));
}
}  // namespace
}  // namespace moesim::sizing
