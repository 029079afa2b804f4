// What the command line changed stays with a run: pages print the command that does it again.
#include <gtest/gtest.h>

#include <fstream>

#include "core/files.h"
#include "results/store.h"
#include "support/program.h"

namespace moesim::cli {
namespace {
constexpr auto kScenario = R"(title: two nodes
model: deepseek-v2-lite
cluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}   # assumed: at hand
routing: {kind: log_normal}   # assumed: nobody measured it
passes:
  decode: {steps: 2, sequences: 16, context: 512}   # assumed: a small batch
published:
  - {metric: step_time, scope: 'phase:decode', value: 0.01, source: "a paper, table 1"}
)";

class Repeated : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(folder_.file("a b.yaml")) << kScenario; }
  Printed run(const std::string& arguments) const { return moesim_prints(arguments, folder_); }
  std::string value(const std::string& database, const char* sql) const {
    return results::Database::open(folder_.file(database)).value(sql).value_or("");
  }
  /// The text of the element with this id, as a reader copies it.
  static std::string text_of(const std::string& page, const std::string& id) {
    const std::size_t from = page.find("<code>", page.find("id=\"" + id + "\""));
    std::string out = page.substr(from + 6, page.find("</code>", from) - from - 6);
    for (const auto& [mark, letter] :
         {std::pair("&lt;", "<"), {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}})
      for (std::size_t at = 0; (at = out.find(mark, at)) != std::string::npos; ++at)
        out.replace(at, std::string(mark).size(), letter);
    return out;
  }
  TemporaryFolder folder_;
};

TEST_F(Repeated, CommandsOfAPageGiveItsRunAgainWhateverWasSet) {
  const Printed first =
      run("run 'a b.yaml' --seed 7 --set passes.decode.steps=1 --set 'routing={kind: log_normal, sigma: 0.9}' --set "
          "\"title='it''s \\\"\\$HOME\\\" <b> & \\`x\\` ; exit 3'\" -o first.db");
  ASSERT_EQ(first.exit_code, 0) << first.err;
  ASSERT_EQ(run("report first.db").exit_code, 0);
  const std::string page = core::read_file(folder_.file("first.html"));
  for (const auto& [id, database] : {std::pair("again", "again.db"), {"timeline-command", "timeline.db"}}) {
    const std::string command = text_of(page, id);
    ASSERT_TRUE(command.starts_with("moesim run 'a b.yaml' --set passes.decode.steps=1 --set ")) << command;
    const Printed p = run(command.substr(7));
    ASSERT_EQ(p.exit_code, 0) << command << "\n" << p.err;
    for (const char* column : {"fingerprint", "title", "seed", "resolved"})
      EXPECT_EQ(value(database, (std::string("SELECT ") + column + " FROM run").c_str()),
                value("first.db", (std::string("SELECT ") + column + " FROM run").c_str()))
          << column;
  }
  ASSERT_EQ(run("run 'a b.yaml' --seed 7 -o plain.db").exit_code, 0);
  EXPECT_NE(value("plain.db", "SELECT fingerprint FROM run"), value("first.db", "SELECT fingerprint FROM run"))
      << "what was set matters";
}

TEST_F(Repeated, APageListsWhatWasChangedAndWhatTheScenarioAssumes) {
  ASSERT_EQ(run("run 'a b.yaml' --set passes.decode.steps=1 --set routing=balanced -o s.db").exit_code, 0);
  EXPECT_EQ(value("s.db", "SELECT group_concat(name || ' ' || value, '|') FROM option"),
            "--set passes.decode.steps=1|--set routing=balanced");
  ASSERT_EQ(run("report s.db").exit_code, 0);
  const std::string page = core::read_file(folder_.file("s.html"));
  EXPECT_NE(
      page.find(
          "<b>not as the scenario is written</b>: <code>passes.decode.steps=1</code>, <code>routing=balanced</code>"),
      std::string::npos);
  EXPECT_NE(page.find("(assumed in the scenario: at hand)"), std::string::npos);
  EXPECT_EQ(page.find("(assumed in the scenario: a small batch)"), std::string::npos) << "one of its values was given";
  EXPECT_EQ(page.find("(assumed in the scenario: nobody measured it)"), std::string::npos) << "routing was given";
}

TEST_F(Repeated, PublishedFiguresStandBesideTheSetUpThatWasMeasuredAlone) {
  struct Case {
    const char *sets, *left_out;
  };
  for (const Case& c :
       {Case{"", ""}, Case{"--seed 3", ""}, Case{"--set model=deepseek-v2-lite", ""},
        Case{"--set kernels=roofline", ""}, Case{"--set passes.decode.steps=2", ""},
        Case{"--set passes.decode.steps=1", "passes.decode.steps has another value here"},
        Case{"--set cluster.nodes=1 --set model=mixtral-8x7b", "cluster.nodes, model have another value here"}}) {
    const Printed p = run(std::string("run 'a b.yaml' --force -o p.db ") + c.sets);
    ASSERT_EQ(p.exit_code, 0) << c.sets << "\n" << p.err;
    const bool compared = std::string(c.left_out).empty();
    EXPECT_EQ(value("p.db", "SELECT count(*) FROM published"), compared ? "1" : "0") << c.sets;
    EXPECT_EQ(p.out.find("Published beside simulated") != std::string::npos, compared) << c.sets;
    EXPECT_EQ(p.out.find(c.left_out) != std::string::npos, true) << c.sets << "\n" << p.out;
  }
  const Printed own =
      run("run 'a b.yaml' -o own.db --set passes.decode.steps=1 --set "
          "'published=[{metric: step_time, scope: \"phase:decode\", value: 0.02, source: mine}]'");
  ASSERT_EQ(own.exit_code, 0) << own.err;
  EXPECT_EQ(value("own.db", "SELECT source FROM published"), "mine") << "who gives it says what it is of";
}
}  // namespace
}  // namespace moesim::cli
