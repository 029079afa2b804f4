// What people type, and what they are told: --force, -o, lists, the wrong verb, a narrow terminal.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/files.h"
#include "support/program.h"

namespace moesim {
namespace {
namespace fs = std::filesystem;
using core::read_file;

constexpr const char* kSmall =
    " --set model=deepseek-v2-lite --set cluster=h800-32 --set training.batch=64 --set training.sequence=1024 --set "
    "'training.parallel={pipeline: 4, expert: 8, zero: 1}' --set published=[] --set expect=[]";

std::vector<std::string> verbs() {
  const TemporaryFolder folder;
  std::istringstream lines(moesim_prints("--help", folder).out);
  std::vector<std::string> out;
  bool listed = false;
  for (std::string line; std::getline(lines, line);) {
    if (listed && line.starts_with("  ") && line[2] != ' ') out.push_back(line.substr(2, line.find(' ', 2) - 2));
    listed = listed || line.starts_with("Subcommands");
  }
  return out;
}

TEST(Force, OverwritesARunButNothingElse) {
  const TemporaryFolder folder;
  const std::string run = std::string("run train-deepseek-v3") + kSmall + " -o a.db";
  ASSERT_EQ(moesim_prints(run, folder).exit_code, 0);
  EXPECT_EQ(moesim_prints(run, folder).exit_code, 2);
  EXPECT_EQ(moesim_prints(run + " --seed 7", folder).err,
            "a.db: already exists; choose another name with -o, or overwrite it with --force\n");
  const Printed forced = moesim_prints(run + " --seed 7 --force", folder);
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  EXPECT_NE(forced.out.find("seed 7"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder.file("a.db-wal")));
  folder.write("thesis.db", "precious");
  const Printed other = moesim_prints(std::string("run train-deepseek-v3") + kSmall + " -o thesis.db --force", folder);
  EXPECT_EQ(other.err, "thesis.db: holds no results; --force overwrites results with results alone\n");
  EXPECT_EQ(read_file(folder.file("thesis.db")), "precious");
}

TEST(Force, NeverTheInput) {
  const TemporaryFolder folder;
  ASSERT_EQ(moesim_prints(std::string("run train-deepseek-v3") + kSmall + " -o a.db", folder).exit_code, 0);
  const std::string before = read_file(folder.file("a.db"));
  EXPECT_EQ(moesim_prints("report a.db -o a.db --force", folder).exit_code, 2);
  EXPECT_EQ(moesim_prints("merge -o a.db --force a.db", folder).exit_code, 2);
  EXPECT_EQ(read_file(folder.file("a.db")), before);
}

TEST(Output, EveryVerbThatCreatesSaysItTheSameWay) {
  const TemporaryFolder folder;
  int creating = 0;
  for (const std::string& verb : verbs()) {
    for (const std::string& part :
         verb == "trace" ? std::vector<std::string>{"trace import", "trace export"} : std::vector<std::string>{verb}) {
      const std::string help = moesim_prints(part + " --help", folder).out;
      const bool has = help.find("--output") != std::string::npos;
      creating += has;
      EXPECT_EQ(has, help.find("--force") != std::string::npos) << part;
      if (!has) continue;
      const std::size_t at = help.find("  -o,--output");
      ASSERT_NE(at, std::string::npos) << part;
      const std::string line = help.substr(at, help.find("\n  -", at + 3) - at);
      EXPECT_NE(line.find("to create"), std::string::npos) << part << ": " << line;
      EXPECT_TRUE(line.find("(default: ") != std::string::npos || line.find("REQUIRED") != std::string::npos)
          << part << ": " << line;
    }
  }
  EXPECT_GE(creating, 11);
}

TEST(Lists, CommasOrSpacesMeanTheSame) {
  const TemporaryFolder folder;
  const auto out = [&](const std::string& arguments) {
    const Printed printed = moesim_prints(arguments, folder);
    EXPECT_EQ(printed.exit_code, 0) << arguments << "\n" << printed.err;
    return printed.out;
  };
  EXPECT_EQ(out("show deepseek-v3 kimi-k2"), out("show deepseek-v3,kimi-k2"));
  EXPECT_EQ(out("show deepseek-v3 kimi-k2 --context 4096,131072"),
            out("show --context 4096 131072 deepseek-v3 kimi-k2"));
  const std::string explain = "explain --model mixtral-8x7b --phase decode --lengths ";
  EXPECT_EQ(out(explain + "4x8192,64x512"), out(explain + "4x8192 64x512"));
  const std::string place =
      "run place-deepseek-v3 --dry-run --limit-memory 4GiB --set place.drift=[0] --set place.slots=";
  EXPECT_EQ(out(place + "288,320"), out(place + "'288 320'"));
  EXPECT_EQ(out(place + "288,320"), out(place + "[288,320]"));
  EXPECT_EQ(out("run --timeline-gpus 0-3 5 train-deepseek-v3 --dry-run --limit-memory 4GiB"),
            out("run train-deepseek-v3 --dry-run --limit-memory 4GiB --timeline-gpus 0-3,5"));
}

TEST(WrongVerb, NamesTheRightOne) {
  const TemporaryFolder folder;
  const std::pair<std::string, std::string> cases[] = {
      {"run sweep-schedules",
       "is a sweep, and a scenario was expected; moesim sweep sweep-schedules -o sweep-schedules.db runs it\n"},
      {"run size-mixtral-8x7b", "is a plan, and a scenario was expected; moesim size size-mixtral-8x7b runs it\n"},
      {"explain sweep-schedules",
       "is a sweep, and a scenario was expected; moesim sweep sweep-schedules -o sweep-schedules.db runs it\n"},
      {"sweep quickstart -o x.db", "is a scenario, and a sweep was expected; moesim run quickstart runs it\n"},
      {"size quickstart", "is a scenario, and a plan was expected; moesim run quickstart runs it\n"},
      {"size sweep-schedules",
       "is a sweep, and a plan was expected; moesim sweep sweep-schedules -o sweep-schedules.db runs it\n"},
      {"place place-deepseek-v3 --gpus 32",
       "is a scenario, and traces or counts were expected; moesim run place-deepseek-v3 runs it\n"},
      {"run deepseek-v3", "no scenario is called \"deepseek-v3\"; it is one of the models: moesim show deepseek-v3\n"},
      {"run something", "no scenario is called \"something\"; moesim list scenarios names them\n"},
      {"place nope", "nope: no such file\n"},
      {"run results.db", "results.db: is no scenario but results; moesim report results.db shows them\n"},
  };
  for (const auto& [arguments, expected] : cases) {
    const Printed printed = moesim_prints(arguments, folder);
    EXPECT_EQ(printed.exit_code, 2) << arguments;
    EXPECT_TRUE(printed.err.ends_with(expected)) << arguments << "\n" << printed.err;
    EXPECT_EQ(std::ranges::count(printed.err, '\n'), 1) << arguments << "\n" << printed.err;
  }
}

TEST(WrongVerb, NamesACommandThatRunsAFileGivenByItsPath) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("my own"));
  EXPECT_EQ(moesim_prints("init serve -o 'my own/service.yaml'", folder).exit_code, 0);
  EXPECT_EQ(moesim_prints("init size -o plan.yaml", folder).exit_code, 0);
  folder.write("sweep.yaml", "scenario: train-mixtral-8x7b\nvary: [{key: training.batch, values: [256]}]\n");
  const std::pair<std::string, std::string> cases[] = {
      {"size 'my own/service.yaml'",
       "is a scenario, and a plan was expected; moesim run 'my own/service.yaml' runs it\n"},
      {"place 'my own/service.yaml' --gpus 8",
       "is a scenario, and traces or counts were expected; moesim run 'my own/service.yaml' runs it\n"},
      {"place sweep.yaml --gpus 8",
       "is a sweep, and traces or counts were expected; moesim sweep sweep.yaml -o sweep.db runs it\n"},
      {"run plan.yaml", "is a plan, and a scenario was expected; moesim size plan.yaml runs it\n"},
  };
  for (const auto& [arguments, expected] : cases) {
    const Printed printed = moesim_prints(arguments, folder);
    EXPECT_EQ(printed.exit_code, 2) << arguments;
    EXPECT_TRUE(printed.err.ends_with(expected)) << arguments << "\n" << printed.err;
    const std::size_t from = printed.err.find("; moesim ") + 9, to = printed.err.rfind(" runs it");
    const std::string hint = printed.err.substr(from, to - from);
    if (hint.starts_with("size")) continue;  // takes seconds
    std::filesystem::remove(folder.file("service.db"));
    const Printed ran = moesim_prints(hint, folder);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
  }
}

TEST(Explain, LeadsWithWhatIsAssumedAndTheTable) {
  const TemporaryFolder folder;
  const Printed brief = moesim_prints("explain quickstart", folder);
  EXPECT_TRUE(brief.out.starts_with("DeepSeek-V3 (Dec 2024), layer 3 of 61, prefill on NVIDIA H800")) << brief.out;
  EXPECT_EQ(brief.out.find("model.hidden: "), std::string::npos);
  EXPECT_NE(brief.out.find("settings in force: --settings prints them\n"), std::string::npos);
  const Printed full = moesim_prints("explain quickstart --settings", folder);
  EXPECT_NE(full.out.find("\nmodel.hidden: 7168\n"), std::string::npos);
}

TEST(Version, NamesTheCommitAndTheCompiler) {
  const TemporaryFolder folder;
  const std::string text = moesim_prints("--version", folder).out;
  EXPECT_TRUE(text.starts_with(std::string(core::version()) + " (commit ")) << text;
  EXPECT_NE(text.find("GNU "), std::string::npos) << text;
}

/// What a terminal of `columns` shows: of the program util-linux has for that.
std::string in_terminal(int columns, const std::string& arguments, const TemporaryFolder& folder) {
  const std::string file = folder.file("typescript");
  const std::string command = "cd '" + folder.path().string() + "' && COLUMNS=" + std::to_string(columns) +
                              " script -qec \"'" MOESIM_PROGRAM "' " + arguments + "\" '" + file +
                              "' </dev/null >/dev/null 2>&1";
  if (std::system(command.c_str()) != 0) return "";
  std::string text = read_file(file);
  std::erase(text, '\r');
  const std::size_t first = text.find('\n') + 1;  // script's own first and last line
  return text.substr(first, text.rfind("\nScript done") + 1 - first);
}

TEST(NarrowTerminal, NoLineIsWiderAndPipesAreAsEver) {
  if (std::system("script --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no script(1) here";
  const TemporaryFolder folder;
  for (const std::string arguments :
       {"list", "list serving", "show deepseek-v3 kimi-k2 qwen3-235b-a22b", "explain train-deepseek-v3 --settings",
        "show h800-32 --collectives", "run --help", "place --help"})
    for (const int columns : {80, 120}) {
      std::istringstream lines(in_terminal(columns, arguments, folder));
      int count = 0;
      for (std::string line; std::getline(lines, line); ++count)
        EXPECT_LE(int(line.size()), columns) << arguments << "\n" << line;
      EXPECT_GT(count, 5) << arguments;
    }
  const std::string piped = moesim_prints("explain train-deepseek-v3", folder).out;
  std::istringstream lines(piped);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, line.size());
  EXPECT_GT(widest, 120u);
}
}  // namespace
}  // namespace moesim
