// Every cases/NAME.yaml is a scenario with a mistake; cases/NAME.txt is the one line that `moesim run` must say about
// it.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string_view>
#include <vector>

#include "support/places.h"
#include "support/program.h"

namespace moesim::cli {
namespace {
namespace fs = std::filesystem;
const fs::path kCases = fs::path(test::source_dir()) / "tests/reject/cli/cases";

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

/// "scenario.yaml:LINE:COLUMN: key.path: problem", each part there.
bool names_its_place(std::string_view line) {
  const auto skip = [&](std::string_view word) {
    const bool there = line.starts_with(word);
    if (there) line.remove_prefix(word.size());
    return there;
  };
  const auto skip_number = [&] {
    const std::size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
    line.remove_prefix(digits);
    return digits > 0;
  };
  if (!skip("scenario.yaml:") || !skip_number() || !skip(":") || !skip_number() || !skip(": ")) return false;
  const std::size_t colon = line.find(": ");
  return colon != std::string_view::npos && colon > 0 && line.substr(0, colon).find(' ') == std::string_view::npos;
}

TEST(ScenarioRejectCases, EveryLineNamesItsPlace) {
  const std::map<std::string, std::string> without = {{"unknown_key", "a key at the top has no path above it"},
                                                      {"list_at_the_top", "there is no key"}};
  for (const std::string& name : names())
    EXPECT_NE(names_its_place(contents(kCases / (name + ".txt"))), without.contains(name))
        << name << ": " << contents(kCases / (name + ".txt"));
  EXPECT_FALSE(names_its_place("nowhere.db: no such file"));
  EXPECT_FALSE(names_its_place("scenario.yaml:3: routing.trace: no such file"));
  EXPECT_FALSE(names_its_place("scenario.yaml:3:18: no such file"));
  EXPECT_TRUE(names_its_place("scenario.yaml:3:18: pools[0].kv: no such file"));
}

TEST(ScenarioRejectCases, EveryFamilyHasOne) {
  const std::map<std::string, std::string> of_family = {
      {"placement", "placement_of_uneven_slots"},
      {"traffic", "traffic_too_skewed"},
      {"network", "network_of_no_tolerance"},
      {"kernels", "kernels_too_good"},
      {"schedule", "schedule_of_uneven_micro_batches"},
      {"workload", "workload_of_no_rate"},
      {"exchange", "exchange_unknown"},
      {"batcher", "batcher_of_no_tokens"},
      {"balancer", "unknown_balancer"},
      {"rebalance", "rebalance_by_no_trigger"},
      {"replica choice", "no_such_replica_choice"},
  };
  const std::map<std::string, std::string> elsewhere = {
      {"gate", "an option's, see CommandReject"},
      {"sweep design", "a sweep's, see SweepReject"},
  };
  const TemporaryFolder folder;
  std::istringstream lines(moesim_prints("list", folder).out);
  int families = 0;
  bool listed = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("strategies (") || line.starts_with("sections (")) {
      listed = line.starts_with("strategies (");
    } else if (listed && !line.empty() && line.front() != ' ') {
      ++families;
      const auto found = of_family.find(line);
      EXPECT_TRUE(found != of_family.end() || elsewhere.contains(line)) << line << " has no case of a refusal";
      if (found != of_family.end()) {
        EXPECT_TRUE(fs::exists(kCases / (found->second + ".yaml"))) << found->second;
      }
    }
  }
  EXPECT_GE(families, 11);
}

TEST(CommandReject, SaysWhatIsWrongWithTheCommand) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("taken.db")) << "precious";
  std::ofstream(folder.file("loads.csv")) << "1,2,3,4\n2,1,4,3\n";
  const std::pair<std::string, std::string> cases[] = {
      {"run no_such_scenario", "no scenario is called \"no_such_scenario\""},
      {"run missing.yaml", "missing.yaml: no such file; looked in the working folder, "},
      {"run quickstrat", "no scenario is called \"quickstrat\"; did you mean \"quickstart\"?\n"},
      {"run quickstart -o taken.db",
       "taken.db: already exists; choose another name with -o, or overwrite it with --force\n"},
      {"run quickstart -o nowhere/out.db", "nowhere/out.db: the folder nowhere does not exist\n"},
      {"run quickstart --timeline-window 5 --timeline t.json",
       "--timeline-window: expected FROM:TO, for example 0ms:5ms, got \"5\"\n"},
      {"run quickstart --timeline-gpus 7-3 --timeline t.json",
       "--timeline-gpus: expected numbers and ranges such as 0-7,16, got \"7-3\"\n"},
      {"run quickstart --set passes", "--set passes: expected key.path=value\n"},
      {"run quickstart --set passes.decode.stepz=3",
       "--set passes.decode.stepz: passes.decode: unknown key \"stepz\"; did you mean \"steps\"?\n"},
      {"diff taken.db taken.db", "taken.db: is not an SQLite database\n"},
      {"explain --model deepseek-v2-lite --kernels rooflin",
       "--kernels: kind: no kernels is called \"rooflin\"; did you mean \"roofline\"?\n"},
      {"place --loads loads.csv --strategy eplb_global --gpus 4 --window nan",
       "--window: says which tokens of a --trace, and there is none\n"},
      {"schedule dualpip", "schedule: kind: no schedule is called \"dualpip\"; did you mean \"dualpipe\"?\n"},
      {"schedule dualpipe --stages 7", "schedule: dualpipe needs an even number of stages, got 7; 6 or 8 would do\n"},
      {"schedule 1f1b --forward 3", "--forward: expected a time with a unit "},
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
}  // namespace moesim::cli
