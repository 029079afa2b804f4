// What a training plan is answered, sentence by sentence, from figures that are written out.
#include "formula/sizing/job_answers.h"
#include "support/pin.h"

namespace moesim::sizing {
namespace {

TEST_F(JobAnswer, OfStepsAloneInItsFirstLines) {
  choose(entry(2, 1, 8.64));
  choice_.simulations = 1;
  EXPECT_EQ(head(5),
            "16 GPUs, 2 nodes of box: TP1 PP1 DP16\n"
            "1.0 days, 384 USD (16.00 USD/h); step 8.64 s, MFU 40.0 %, 90.0 of 100.0 usable GB on the fullest GPU\n"
            "of a step, 10.0 % waits for the pipeline and 5.0 % for exchanges and collectives\n"
            "that GPU holds weights 50.0 GB\n"
            "1 mappings formed or refused, 1 simulation of a step\n");
  job_.title = "A title";
  EXPECT_EQ(head(3), "A title\n\n16 GPUs, 2 nodes of box: TP1 PP1 DP16\n");
  choice_.entries[0].result->memory.clear();
  EXPECT_FALSE(says("that GPU holds"));
  choice_.run = run(0, 1, 16, 0);
  EXPECT_FALSE(says("whole run")) << "none was asked for";
  EXPECT_EQ(section("The fastest of each kind and number of nodes"),
            "  node  GPUs  mapping         step      time  USD     MFU   memory  fate    what binds, or why it fell\n"
            "  box     16  TP1 PP1 DP16  8.64 s  1.0 days  384  40.0 %  90.0 GB  chosen\n");
}

TEST_F(JobAnswer, SaysWhereLittleMemoryIsLeft) {
  choose(entry(1, 1, 8.64));
  choice_.entries[0].result->peak_memory = 95'000'000'000;
  EXPECT_TRUE(says("95.0 of 100.0 usable GB on the fullest GPU\n"));
  choice_.entries[0].result->peak_memory = 97'070'000'000;
  EXPECT_TRUE(
      says("97.1 of 100.0 usable GB on the fullest GPU: only 2.9 % left, which fragments of the allocator may "
           "take\n"));
  EXPECT_TRUE(says("8 GPUs, 1 node of box: "));
}

TEST_F(JobAnswer, OfAWholeRunSaysWhatSparesGainAndWhatIsOfStepsAlone) {
  fails();
  MappingEntry e = entry(2, 1, 8.64);
  e.runs = {run(0, 4, 16, 2), run(1, 2, 24, 0.5), run(2, 1.9, 32, 0)};
  e.run = e.runs[1];
  choose(e);
  choice_.runs = 3;
  EXPECT_EQ(
      head(6),
      "24 GPUs, 3 nodes of box, 1 of them spare: TP1 PP1 DP16\n"
      "the run with its failures: 2.0 days, 1,152 USD on average (24.00 USD/h), 1,152 GPU-hours paid, goodput 50.0 %\n"
      "over 100 draws of what fails, 3 failures on average: 2.5 days and 1,440 USD do in 90 % of them\n"
      "the scenario plays the first of them, of seed 1: 1.0 days, 576 USD, 1 failure\n"
      "1 spare node: 4.0 days -> 2.0 days, 1,536 USD -> 1,152 USD\n"
      "its steps alone: 1.0 days, 384 USD; step 8.64 s, MFU 40.0 %, 90.0 of 100.0 usable GB on the fullest GPU\n");
  EXPECT_TRUE(
      says("1 mappings formed or refused, 0 simulations of a step, judged by 3 whole runs of 100 draws each\n"));
  EXPECT_EQ(section("The whole run, by the nodes kept in waiting: means over 100 draws"),
            " spare nodes      time   in 90 %    USD  within targets  goodput  failures  saving    lost  restarts  "
            "waiting for a spare  slow GPUs\n"
            " 0            4.0 days  5.0 days  1,536            93 %   50.0 %         3  1.00 s  2.00 s    3.00 s      "
            "         2.00 d     4.00 s\n"
            " 1 (chosen)   2.0 days  2.5 days  1,152            93 %   50.0 %         3  1.00 s  2.00 s    3.00 s      "
            "         12.0 h     4.00 s\n"
            " 2            1.9 days  2.4 days  1,459            93 %   50.0 %         3  1.00 s  2.00 s    3.00 s      "
            "            0 s     4.00 s\n");
  job_.section.targets.days = 3;
  EXPECT_TRUE(says("2.5 days and 1,440 USD do in 90 % of them, 93 % are within the targets\n"));
}

TEST_F(JobAnswer, TablesTellStepsAloneFromTheWholeRun) {
  fails();
  MappingEntry e = entry(2, 1, 8.64), unplayed = entry(2, 2, 17.28);
  e.runs = {run(1, 2, 24, 0)};
  e.run = e.runs[0];
  unplayed.fate = MappingFate::slower, unplayed.reason = "slower: so much";
  choose(e);
  choice_.entries.push_back(unplayed);
  const std::string header =
      "  node  GPUs  mapping              step  steps alone  whole run  spares    USD     MFU   memory  fate    what "
      "binds, or why it fell\n";
  EXPECT_EQ(
      section("The fastest steps on the same nodes"),
      header +
          "  box     16  TP1 PP1 DP16       8.64 s     1.0 days   2.0 days       1  1,152  40.0 %  90.0 GB  chosen\n"
          "  box     16  TP1 PP2 DP8, 1f1b  17.3 s     2.0 days          -       -      -  40.0 %  90.0 GB  slower  "
          "slower: so much\n");
  EXPECT_NE(section("The best of each kind and number of nodes").find("2.0 days       1  1,152"), std::string::npos);
}

TEST_F(JobAnswer, SaysWhyNoNodeWaits) {
  fails();
  MappingEntry e = entry(2, 1, 8.64);
  e.runs = {run(0, 4, 16, 2), run(1, 3, 24, 0)};
  e.run = e.runs[0];
  choose(e);
  EXPECT_TRUE(says("\nno spare node: 1 would make it 3.0 days and 1,728 USD\n"));
  choice_.with_spares.pop_back();
  EXPECT_TRUE(says("\nno spare node: none may be had\n"));
  choice_.with_spares[0].waiting = 0;
  EXPECT_TRUE(says("\nno spare node is needed\n"));
  job_.spares = {0, 1};
  EXPECT_TRUE(says("\nno spare node is needed\n")) << "of those that were listed";
  job_.spares = {0};
  EXPECT_TRUE(says("\n0 spare nodes, as asked\n"));
  EXPECT_TRUE(says(" 0 (asked) "));
  job_.fails = false;
  EXPECT_TRUE(says("\nthe whole run: 4.0 days, "));
  EXPECT_FALSE(says("spare node: ")) << text();
}

TEST_F(JobAnswer, NamesYoungsInterval) {
  fails();
  job_.free_interval = true;
  job_.campaign.checkpoint.pause = 36;          // a hundredth of an hour
  job_.campaign.failures.gpu_mtbf_hours = 800;  // of 16: one in 50 hours
  MappingEntry e = entry(2, 1, 8.64);
  EXPECT_DOUBLE_EQ(interval_hours(job_, e.mapping), 1);  // sqrt(2 x 0.01 x 50)
  job_.campaign.failures.node_mtbf_hours = 100;          // of two: another in 50 hours
  EXPECT_DOUBLE_EQ(interval_hours(job_, e.mapping), 0.707);
  node_.node.nics = 4;
  job_.campaign.failures.nic_mtbf_hours = 200;  // of eight: two more
  EXPECT_DOUBLE_EQ(interval_hours(job_, e.mapping), 0.5);
  e.runs = {run(0, 2, 16, 0)};
  e.run = e.runs[0];
  choose(e);
  EXPECT_TRUE(says("\na checkpoint every 0.5 h: Young's interval\n"));
  job_.campaign.failures.gpu_mtbf_hours = job_.campaign.failures.node_mtbf_hours = 0;
  e.mapping.used_of_node = 4;  // half of the adapters: one in 50 hours
  EXPECT_DOUBLE_EQ(interval_hours(job_, e.mapping), 1);
  e.mapping.used_of_node = 8;
  job_.free_interval = false;
  EXPECT_FALSE(says("Young"));
  EXPECT_DOUBLE_EQ(interval_hours(job_, choice_.entries[0].mapping), 1);
}

TEST_F(JobAnswer, ShowsTheFastestStepsOfTheSameNodesAndHowManyThereWere) {
  for (int i = 9; i >= 1; --i) choice_.entries.push_back(entry(2, 1 << i, i));
  choice_.entries.push_back(entry(1, 1, 0.5));
  choice_.winner = 8;
  const std::string shown = text();
  const std::size_t at = shown.find("\nThe fastest steps on the same nodes, 8 of 9 simulated\n");
  ASSERT_NE(at, std::string::npos) << shown;
  std::size_t before = at;
  for (int i = 1; i <= 8; ++i) {
    const std::size_t row = shown.find(fmt::format("PP{} DP", 1 << i), before);
    ASSERT_NE(row, std::string::npos) << i;
    before = row;
  }
  EXPECT_EQ(shown.find("PP512 DP", at), std::string::npos);
  EXPECT_EQ(shown.find("500 ms", at), std::string::npos) << "of other nodes";
  choice_.entries.erase(choice_.entries.begin());
  choice_.winner = 7;
  EXPECT_TRUE(says("\nThe fastest steps on the same nodes\n"));
}

TEST_F(JobAnswer, ShowsTheBestOfEachNumberOfNodes) {
  choice_.entries = {entry(2, 4, 8), entry(2, 2, 4), entry(1, 1, 9), entry(2, 8, 6)};
  choice_.entries[2].result.reset();
  EXPECT_EQ(choice_.best_of_each(), std::vector<std::size_t>{1});
  choice_.entries[3].run = run(0, 3, 16, 0);
  EXPECT_EQ(choice_.best_of_each(), std::vector<std::size_t>{3}) << "by its run";
  choice_.entries[0].run = run(0, 2, 16, 0);
  EXPECT_EQ(choice_.best_of_each(), std::vector<std::size_t>{0});
  choice_.entries[0].fate = MappingFate::misses;
  EXPECT_EQ(choice_.best_of_each(), std::vector<std::size_t>{3}) << "what meets the targets first";
  choice_.winner = 1;
  EXPECT_EQ(choice_.best_of_each(), std::vector<std::size_t>{1});
}

TEST_F(JobAnswer, LedgerCountsReasonsAndGivesTheFirstOfEach) {
  choice_.entries = {entry(2, 1, 8), entry(2, 2, 8), entry(2, 4, 8), entry(2, 8, 8)};
  choice_.entries[0].reason = "memory: too little", choice_.entries[1].reason = "slower: one";
  choice_.entries[2].reason = "memory: less";
  EXPECT_TRUE(
      says("\nWhy the others fell (all of them: table mapping)\n"
           "  fell by  mappings  for example\n"
           "  memory          2  TP1 PP1 DP16: memory: too little\n"
           "  slower          1  TP1 PP2 DP8, 1f1b: slower: one\n"))
      << text();
}

TEST_F(JobAnswer, NearestIsTheLeastTooLongAndSaysWhatWouldDo) {
  job_.section.targets.days = 0.5;
  choice_.entries = {entry(2, 2, 17.28), entry(2, 1, 8.64), entry(1, 1, 34.56)};
  for (MappingEntry& e : choice_.entries) judge(job_, e);
  EXPECT_EQ(head(2),
            "Nothing meets the targets. Nearest: TP1 PP1 DP16 on 16 GPUs: deadline: 1.0 days of 12.0 h\n"
            "It would do with 1.0 days, or on about 4 such nodes if it scaled.\n");
  choice_.entries.push_back(entry(2, 4, 8.64));
  judge(job_, choice_.entries.back());
  EXPECT_TRUE(says("Nearest: TP1 PP1 DP16 on 16 GPUs: ")) << "of equals the first";
  choice_.entries.push_back(entry(2, 8, 8.64));
  choice_.entries.back().result.reset(), choice_.entries.back().fate = MappingFate::misses;
  EXPECT_TRUE(says("Nearest: TP1 PP1 DP16 on 16 GPUs: ")) << "what was simulated before what is known by a bound";
  choice_.entries.back().least = 6.912;  // s, of the 8.64 that make a day
  EXPECT_TRUE(
      says("It would do with 1.0 days, or on about 4 such nodes if it scaled.\nOthers were not simulated, since even "
           "their least is too much: nothing does with less than 19.2 h.\n"))
      << text();
  choice_.entries.back().least = 8.65;
  EXPECT_FALSE(says("Others were not simulated")) << "they may take longer anyway";
  choice_.entries.pop_back();
  job_.section.targets.days = 1e-30;
  EXPECT_TRUE(says("It would do with 1.0 days; no cluster has the nodes that the deadline takes.\n"));
  job_.section.targets = {.days = 4, .cost = 100};
  for (MappingEntry& e : choice_.entries) judge(job_, e);
  EXPECT_EQ(head(2),
            "Nothing meets the targets. Nearest: TP1 PP1 DP16 on 16 GPUs: cost: 384 USD of 100\n"
            "It would do with 384 USD.\n");
}

TEST_F(JobAnswer, NearestIsByTheWholeRunWhereOneIsAskedFor) {
  fails();
  job_.section.targets.days = 0.5;
  choice_.entries = {entry(2, 1, 8.64), entry(2, 2, 17.28), entry(1, 1, 4)};
  choice_.entries[0].runs = {run(0, 9, 16, 2)}, choice_.entries[1].runs = {run(0, 2.4, 16, 2)};
  judge(job_, choice_.entries[0]), judge(job_, choice_.entries[1]);
  EXPECT_EQ(
      head(2),
      "Nothing meets the targets. Nearest: TP1 PP2 DP8, 1f1b on 16 GPUs: the run with its failures: 3.0 days of 12.0 h "
      "in 90 % of its draws\nIt would do with 3.0 days, or on about 12 such nodes if it scaled.\n");
}

TEST_F(JobAnswer, NearestOfWhatOnlyBoundsAreKnownOf) {
  job_.section.targets.days = 0.4;
  choice_.entries = {entry(2, 2, 17.28), entry(2, 1, 8.64)};
  for (MappingEntry& e : choice_.entries)
    e.result.reset(), e.fate = MappingFate::misses, e.reason = "deadline: at the very least";
  EXPECT_EQ(head(2),
            "Nothing meets the targets. Nearest: TP1 PP1 DP16 on 16 GPUs: deadline: at the very least\n"
            "Nothing does with less than 12.0 h.\n");
  choice_.entries[1] = entry(1, 1, 8.64), choice_.entries[1].result.reset();
  for (MappingEntry& e : choice_.entries) e.fate = MappingFate::illegal, e.reason = "memory: of another";
  choice_.entries[0].reason = "memory: none";
  EXPECT_EQ(head(1), "Nothing fits. For example TP1 PP2 DP8, 1f1b on 16 GPUs: memory: none\n");
  choice_.entries.clear();
  EXPECT_EQ(
      head(1),
      "No mapping can be formed: no number of GPUs that may be had, with the degrees asked, divides into replicas of "
      "the batch of 64 and 32 layers.\n");
}

TEST_F(JobAnswer, SaysWhatOtherPlansTake) {
  choose(entry(2, 1, 8.64));
  choice_.next = {{"2 more nodes", true, 32, 0.5, 380, "saves 12 h"},
                  {"tokens +20 %", true, 16, 1.2, 460, ""},
                  {"price +20 %", false, 16, 1, 461, "cost: 461 USD of 400"},
                  {"failures", false, 16, 0, 0, "no"}};
  EXPECT_TRUE(
      says("\nThe answer, if the plan were another\n"
           "  if            GPUs      time  USD  then\n"
           "  2 more nodes    32    12.0 h  380  saves 12 h\n"
           "  tokens +20 %    16  1.2 days  460  met\n"
           "  price +20 %     16  1.0 days  461  missed, cost: 461 USD of 400\n"
           "  failures        16         -    -  missed, no\n"))
      << text();
}

TEST_F(JobAnswer, JsonTellsStepsAloneFromTheWholeRun) {
  fails();
  MappingEntry e = entry(2, 1, 8.64);
  e.runs = {run(0, 4, 16, 2), run(1, 2, 24, 0)};
  e.run = e.runs[1];
  choose(e);
  const std::string json = answer_json(job_, choice_);
  for (const char* line :
       {"\"days\": 1.0", "\"cost\": 384.0", "\"run_days\": 2.0", "\"run_cost\": 1152.0", "\"run_paid_gpus\": 24.0",
        "\"spare_nodes\": 1", "\"run_gpu_hours\": 768.0", "\"run_days_within\": 2.5", "\"run_cost_within\": 1440.0",
        "\"run_share_met\": 0.93", "\"draws\": 100", "\"run_days_of_seed\": 1.0", "\"run_cost_of_seed\": 576.0"})
    EXPECT_NE(json.find(line), std::string::npos) << line << "\n" << json;
}

TEST_F(JobAnswer, MetricsTellTheDrawOfTheScenarioFromAllDraws) {
  fails();
  MappingEntry e = entry(2, 1, 8.64);
  e.runs = {run(1, 2, 24, 0)};  // two days of 24 GPUs at a USD an hour
  e.run = e.runs[0];
  choose(e);
  results::Results r(":memory:", {});
  write_job_figures(r, choice_);
  test::pin(r, "run_days_mean", "run", 2);
  test::pin(r, "run_days_within", "run", 2.5);
  test::pin(r, "run_cost_mean", "run", 2 * 24 * 24);
  test::pin(r, "run_cost_within", "run", 2.5 * 24 * 24);
  test::pin(r, "run_share_met", "run", 0.93);
  EXPECT_DOUBLE_EQ(r.metric_value("run_days"), 1);
  EXPECT_DOUBLE_EQ(r.metric_value("run_cost"), 576);
}
}  // namespace
}  // namespace moesim::sizing
