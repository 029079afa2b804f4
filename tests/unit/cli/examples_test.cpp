// The examples that --help shows are commands that moesim takes, and the quick ones run.
#include "cli/examples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "support/command.h"
#include "support/program.h"

namespace moesim::cli {
namespace {
/// What is wrong with a command line; "" for nothing.
std::string problem_of(const std::string& line) {
  std::istringstream in("moesim " + line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  try {
    check_command(int(arguments.size()), arguments.data());
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

TEST(Examples, AreCommandsThatMoesimTakes) {
  for (const Example& e : examples()) {
    EXPECT_EQ(problem_of(std::string(e.command)), "") << e.command;
    EXPECT_FALSE(e.what.empty()) << e.command;
  }
  EXPECT_NE(problem_of("run quickstart --no-such-option"), "") << "a command line that is wrong would pass";
  EXPECT_NE(problem_of("record deepseek-v3"), "") << "one that lacks what it needs would pass";
}

TEST(Examples, EveryVerbShowsSome) {
  std::istringstream help(run_command({"--help"}));
  bool verbs = false;
  for (std::string line; std::getline(help, line);) {
    if (verbs && line.starts_with("  ") && line.size() > 2 && line[2] != ' ') {
      const std::string verb = line.substr(2, line.find(' ', 2) - 2);
      EXPECT_NE(examples_of(verb), "") << verb;
      EXPECT_NE(run_command({verb, "--help"}).find(examples_of(verb)), std::string::npos) << verb;
    }
    verbs = verbs || line.starts_with("Subcommands");
  }
  EXPECT_TRUE(verbs) << "no verb was found";
}

TEST(Examples, TheQuickOnesRun) {
  const TemporaryFolder folder;
  for (const Example& e : examples()) {
    if (!e.quick) continue;
    const Printed printed = moesim_prints(std::string(e.command), folder);
    EXPECT_LE(printed.exit_code, e.command.starts_with("diff") ? 1 : 0) << e.command << ": " << printed.err;
  }
}
}  // namespace
}  // namespace moesim::cli
