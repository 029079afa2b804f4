// Every cases/NAME.yaml is a scenario with a mistake; cases/NAME.txt is the one line that `moesim run` must say about
// it.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "support/program.h"

namespace moesim {
namespace {
namespace fs = std::filesystem;
const fs::path kCases = fs::path(SOURCE_DIR) / "tests/reject/cli/cases";

std::string contents(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(kCases))
    if (entry.path().extension() == ".yaml") out.push_back(entry.path().stem().string());
  std::ranges::sort(out);
  return out;
}

class ScenarioReject : public testing::TestWithParam<std::string> {};

TEST_P(ScenarioReject, SaysTheOneLineAndLeavesNothing) {
  const TemporaryFolder folder;
  fs::copy(kCases / (GetParam() + ".yaml"), folder.path() / "scenario.yaml");
  const Printed printed = moesim_prints("run scenario.yaml -o out.db", folder);
  EXPECT_EQ(printed.err, contents(kCases / (GetParam() + ".txt")));
  EXPECT_EQ(printed.out, "");
  EXPECT_EQ(printed.exit_code, 2);
  fs::remove(folder.path() / "scenario.yaml");
  EXPECT_TRUE(folder.empty()) << "a failed run left files behind";
}
INSTANTIATE_TEST_SUITE_P(Cases, ScenarioReject, testing::ValuesIn(names()),
                         [](const auto& name) { return name.param; });

TEST(CommandReject, SaysWhatIsWrongWithTheCommand) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("taken.db")) << "precious";
  const std::pair<std::string, std::string> cases[] = {
      {"run no_such_scenario", "no scenario is called \"no_such_scenario\""},
      {"run missing.yaml", "missing.yaml: no such file\n"},
      {"run quickstrat", "no scenario is called \"quickstrat\"; did you mean \"quickstart\"?\n"},
      {"run quickstart -o taken.db", "taken.db: already exists; remove it or choose another name with -o\n"},
      {"run quickstart -o nowhere/out.db", "nowhere/out.db: the folder nowhere does not exist\n"},
      {"run quickstart --timeline-window 5 --timeline t.json",
       "--timeline-window: expected FROM:TO, for example 0ms:5ms, got \"5\"\n"},
      {"run quickstart --timeline-gpus 7-3 --timeline t.json",
       "--timeline-gpus: expected numbers and ranges such as 0-7,16, got \"7-3\"\n"},
      {"run quickstart --set passes", "--set passes: expected key.path=value\n"},
      {"run quickstart --set passes.decode.stepz=3",
       "--set passes.decode.stepz: passes.decode: unknown key \"stepz\"; did you mean \"steps\"?\n"},
      {"diff taken.db taken.db", "taken.db: is not an SQLite database\n"},
      {"shw deepseek-v3", "no command is called \"shw\"; did you mean \"show\"?\n"},
      {"list modls", "nothing called \"modls\" can be listed; did you mean \"models\"?\n"},
  };
  for (const auto& [arguments, expected] : cases) {
    const Printed printed = moesim_prints(arguments, folder);
    EXPECT_EQ(printed.exit_code, 2) << arguments;
    EXPECT_EQ(printed.out, "") << arguments;
    EXPECT_TRUE(printed.err.starts_with(expected)) << arguments << "\n" << printed.err;
    EXPECT_EQ(std::ranges::count(printed.err, '\n'), 1) << arguments << "\n" << printed.err;
  }
  EXPECT_EQ(contents(folder.file("taken.db")), "precious");
}
}  // namespace
}  // namespace moesim
