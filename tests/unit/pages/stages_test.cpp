// What a training page says of its stages' time and memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pages/facts.h"
#include "pages/studies/studies.h"
#include "results/results.h"
#include "support/temporary_folder.h"

namespace moesim::pages {
namespace {
/// Seconds that a stage computes, forward and backward, and waits.
struct StageTimes {
  double forward = 0, backward = 0, bubble = 0;
};

class StagesPage : public testing::Test {
 protected:
  Page page(const std::vector<StageTimes>& times) const {
    const std::string file = folder_.file("stages.db");
    results::Results r(file, {"t", "training", "a.yaml", "", "", 1});
    r.metric("step_time", 10, "s");
    for (int stage = 0; stage < int(times.size()); ++stage) {
      const StageTimes& t = times[std::size_t(stage)];
      r.add(results::Table::stage, {stage, "forward", t.forward});
      r.add(results::Table::stage, {stage, "backward", t.backward});
      r.add(results::Table::stage, {stage, "bubble", t.bubble});
      r.add(results::Table::stage, {stage, "exposed_communication", 1.0});
      // The first stage is fullest, and weights fill most of it.
      const std::string scope = "stage:" + std::to_string(stage);
      r.add(results::Table::memory, {scope, "weights", std::int64_t(stage == 0 ? 3'000'000'000 : 1'000'000'000)});
      r.add(results::Table::memory, {scope, "activations", std::int64_t{1'000'000'000}});
    }
    r.finish({"complete", 1, 2, 4_s, 0.1}, "cluster.node.gpu.memory: 8 GB\n");
    const results::Database db = results::Database::open(file);
    return training_page(read_facts(db), db);
  }
  static const Section& section(const Page& page, const std::string& id) {
    const auto found = std::ranges::find(page.sections, id, &Section::id);
    if (found == page.sections.end()) throw std::logic_error("no section " + id);
    return *found;
  }
  static std::vector<std::string> rows(const Panel& panel) {
    std::vector<std::string> out;
    for (const auto& row : panel.figure.table.rows) {
      std::string& line = out.emplace_back();
      for (const Cell& c : row) line += (line.empty() ? "" : "|") + c.text;
    }
    return out;
  }
  static bool says(const Section& s, const std::string& part) {
    return s.answer.text().find(part) != std::string::npos;
  }
  TemporaryFolder folder_;
};

TEST_F(StagesPage, MemoryIsInBytesByItsLargestPartsAndOfTheFullestStage) {
  const Page p = page({{2, 4, 1}, {2, 4, 1}});
  const Section& memory = section(p, "memory");
  const DataTable& table = memory.panels[0].figure.table;
  ASSERT_GE(table.columns.size(), 3U);
  EXPECT_EQ(table.columns[1], "weights");
  EXPECT_EQ(table.columns[2], "activations");
  EXPECT_EQ(rows(memory.panels[0]), (std::vector<std::string>{"0|3.00 GB|1.00 GB", "1|1.00 GB|1.00 GB"}));
  EXPECT_TRUE(says(memory, "of stage 0, needs <span class=\"sim\">4.00 GB</span> of 8.00 GB; weights are 75 % of it"))
      << memory.answer.text();
}

// Two stages compute 7.5 s and one 6 s, whatever they wait.
TEST_F(StagesPage, TheLongestStagesAreThoseThatComputeLongest) {
  const Page two = page({{2, 4, 3}, {2.5, 5, 1.5}, {2.5, 5, 1}});
  EXPECT_TRUE(says(section(two, "stages"), "2 stages, 2 among them, compute longest"))
      << section(two, "stages").answer.text();
  EXPECT_TRUE(says(section(two, "stages"), "7.50 s</span>; stage 0 least, 6.00 s"));
}

TEST_F(StagesPage, OneThatComputesLongestIsNamedAlone) {
  const Page one = page({{2, 4, 9}, {2.5, 5, 1.5}});
  EXPECT_TRUE(says(section(one, "stages"), "Stage 1 computes longest")) << section(one, "stages").answer.text();
  EXPECT_TRUE(says(section(one, "stages"), "7.50 s</span>; stage 0 least, 6.00 s"));
}

TEST_F(StagesPage, StagesThatComputeAlikeAreSaidTo) {
  const Page p = page({{2, 4, 1}, {2, 4, 2}, {2, 4, 3}});
  EXPECT_TRUE(says(section(p, "stages"), "All 3 stages compute <span class=\"sim\">6.00 s</span>"))
      << section(p, "stages").answer.text();
}
}  // namespace
}  // namespace moesim::pages
