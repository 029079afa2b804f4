// How the program ends: exit codes, stdout that is lost, signals.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "results/results.h"
#include "results/store.h"
#include "support/places.h"
#include "support/program.h"
#include "support/sql.h"

namespace moesim::cli {
namespace {
const std::string kLong = "run serve-mixtral-8x7b --set 'serving.duration=100000 s' --set 'expect=[]'";

class Outcome : public testing::Test {
 protected:
  /// The exit code as a shell gives it: 128 + signal for a process that one killed.
  Printed shell(const std::string& command) const {
    return moesim_prints("--version >/dev/null; m='" + test::moesim_program() + "'; { " + command + "; }", folder_);
  }
  /// What a run that a signal ended has to say of its results: how far it came depends on the machine.
  std::string said_of(const std::string& results) const {
    const results::Database db = results::Database::open(folder_.file(results));
    EXPECT_EQ(db.value("SELECT state FROM run"), "interrupted");
    return fmt::format("interrupted: {} holds {}\n", results,
                       db.value("SELECT count(*) FROM metric") == "0" ? "no figures yet" : "what was done until then");
  }
  TemporaryFolder folder_;
};

TEST_F(Outcome, LostOutputIsAnError) {
  const std::string problem = "standard output: cannot be written: ";
  for (const char* verb : {"list models", "list metrics", "--help", "run --help", "--version", "show deepseek-v3",
                           "schedule 1f1b", "explain quickstart"}) {
    const Printed full = shell(std::string("$m ") + verb + " > /dev/full");
    EXPECT_EQ(full.exit_code, 2) << verb;
    EXPECT_EQ(full.err, problem + "No space left on device\n") << verb;
    const Printed closed = shell(std::string("$m ") + verb + " >&-");
    EXPECT_EQ(closed.exit_code, 2) << verb;
    EXPECT_EQ(closed.err, problem + "Bad file descriptor\n") << verb;
  }
}

TEST_F(Outcome, AnErrorIsOneLineWhateverIsInIt) {
  const Printed p = shell("$m show \"$(printf 'a\\nb\\033[2Jc')\"");
  EXPECT_EQ(p.exit_code, 2);
  EXPECT_EQ(p.err.find("no model or hardware is called \"a\\nb\\x1b[2Jc\""), 0u) << p.err;
  EXPECT_EQ(std::count(p.err.begin(), p.err.end(), '\n'), 1);
  const Printed q = shell("$m show $(head -c 100000 /dev/zero | tr '\\0' x)");
  EXPECT_EQ(q.exit_code, 2);
  EXPECT_LT(q.err.size(), 2100u);
}

TEST_F(Outcome, NamesFromFilesSteerNoTerminal) {
  const std::string bad = "a\x1b[2J\xC2\x9B\x7F\n\xFFz", good = "a\\x1b[2J\\x9b\\x7f\\n\xEF\xBF\xBDz";
  const auto file = [&](const char* name) { return folder_.file(name); };
  for (const char* name : {"a.db", "b.db"}) {
    results::Results results(file(name), {bad, "passes", "a.yaml", "", ""});
    results.metric("step_time", name[0] == 'a' ? 1 : 2, "s");
    results.add(results::Table::expert_load, {3, name[0] == 'a' ? bad : "", 17, 42.0});
    results.finish({}, name[0] == 'a' ? "key: " + bad : "");
  }
  test::change_database(file("a.db"), "UPDATE metric SET unit = char(27) || ']0;'");
  for (const char* verb : {"compare a.db b.db", "diff a.db b.db"}) {
    const Printed p = shell(std::string("$m ") + verb);
    EXPECT_EQ(p.out.find_first_of("\x1b\x7f\xFF"), std::string::npos) << p.out;
    EXPECT_NE(p.out.find("[2J"), std::string::npos) << p.out;
    EXPECT_EQ(p.out.find("\xC2\x9B"), std::string::npos) << p.out;
    if (verb[0] == 'd') {
      EXPECT_NE(p.out.find(good), std::string::npos) << p.out;
    }
  }
}

TEST_F(Outcome, AReaderThatLeavesIsNoError) {
  const Printed p = shell("trap '' PIPE; ($m list metrics; echo $? > code) | true; sleep 0.1; cat code");
  EXPECT_TRUE(p.out == "141\n" || p.out == "0\n") << p.out;  // 0 where all fitted the pipe before it closed
  EXPECT_EQ(p.err, "");
}

TEST_F(Outcome, AClosedStandardStreamIsNotPrintedInto) {
  const Printed p = shell(
      "$m run serve-mixtral-8x7b --set 'serving.duration=3 s' --set 'serving.warmup=1 s' --set "
      "'expect=[]' -o a.db >&- 2>&-");
  EXPECT_EQ(p.exit_code, 2);
  EXPECT_EQ(results::Database::open(folder_.file("a.db")).value("SELECT state FROM run"), "complete");
}

TEST_F(Outcome, SignalsAreObeyedInHalfASecondAndSaid) {
  const std::pair<const char*, int> signals[] = {{"INT", 130}, {"TERM", 143}, {"HUP", 129}};
  std::string all;  // at once, each with an output and a record of its own
  for (const auto& [signal, code] : signals)
    all += fmt::format(
        "(timeout -k 20 -s {0} --preserve-status 2.5 $m {1} -o {0}.db >/dev/null 2>{0}.err; echo $? >{0}.code)& ",
        signal, kLong);
  EXPECT_EQ(shell(all + "wait").exit_code, 0);
  const auto text_of = [&](const std::string& file) {
    std::ifstream in(folder_.file(file));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  for (const auto& [signal, code] : signals) {
    const std::string name = signal;
    EXPECT_EQ(text_of(name + ".code"), fmt::format("{}\n", code)) << name;
    EXPECT_EQ(text_of(name + ".err"), said_of(name + ".db"));
  }
}

/// What a search has simulated is gone on with.
TEST_F(Outcome, ASearchThatIsCutShortSaysWhatItHolds) {
  const Printed p = shell(
      "timeout -k 20 -s INT --preserve-status 8 $m size size-mixtral-8x7b --set size.search.exhaustive=true -o a.db "
      "--jobs 1 >/dev/null");
  EXPECT_EQ(p.exit_code, 130);
  EXPECT_TRUE(p.err.starts_with("interrupted: ")) << p.err;
  EXPECT_NE(p.err.find("a.db holds "), std::string::npos) << p.err;
  EXPECT_NE(p.err.find("--resume goes on with "), std::string::npos) << p.err;
}

TEST_F(Outcome, NohupKeepsItsMeaning) {
  const Printed p = shell("trap '' HUP; $m " + kLong +
                          " -o a.db >/dev/null & sleep 1; kill -HUP $!; sleep 1; "
                          "kill -TERM $!; wait $!");
  EXPECT_EQ(p.exit_code, 143);
  EXPECT_EQ(p.err, said_of("a.db"));
}

TEST_F(Outcome, TwoOutputsAreNotOneFile) {
  for (const char* other : {"a.db", "./a.db", "../x/a.db"}) {
    const Printed p = shell("mkdir -p x; cd x; $m run serve-mixtral-8x7b -o a.db --timeline " + std::string(other));
    EXPECT_EQ(p.exit_code, 2);
    EXPECT_TRUE(p.err.ends_with(std::string(other) + ": the results and the timeline cannot be one file\n")) << p.err;
  }
}
}  // namespace
}  // namespace moesim::cli
