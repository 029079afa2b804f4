// What people type, and what they are told: lists, words too many, the wrong verb, a narrow terminal.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/files.h"
#include "support/places.h"
#include "support/program.h"

namespace moesim {
namespace {
using core::read_file;

TEST(Typed, WhatIsTooMuchIsNamedInOrderAndOptionsByTheNearest) {
  const TemporaryFolder folder;
  const std::pair<const char*, const char*> cases[] = {
      {"run quickstart --sed 3",
       "moesim run has no option \"--sed\"; did you mean \"--seed\"? (see moesim run --help)\n"},
      {"run quickstart --seeed=3",
       "moesim run has no option \"--seeed\"; did you mean \"--seed\"? (see moesim run --help)\n"},
      {"run quickstart --whatever", "moesim run has no option \"--whatever\" (see moesim run --help)\n"},
      {"trace stats a.db --gpu 4",
       "moesim trace stats has no option \"--gpu\"; did you mean \"--gpus\"? (see moesim trace --help)\n"},
      {"diff a.db b.db c.db d.db", "\"c.db d.db\" was not expected by moesim diff (see moesim diff --help)\n"},
  };
  for (const auto& [arguments, says] : cases) {
    const Printed p = moesim_prints(arguments, folder);
    EXPECT_EQ(p.exit_code, 2) << arguments;
    EXPECT_EQ(p.err, says) << arguments;
  }
  EXPECT_EQ(moesim_prints("ls", folder).err.find("manual"), std::string::npos);  // which --help hides
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
  EXPECT_TRUE(text.starts_with("moesim " + std::string(core::version()) + " (commit ")) << text;
  EXPECT_NE(text.find("GNU "), std::string::npos) << text;
}

TEST(Python, IsFoundWhereTheProgramSays) {
  const TemporaryFolder folder;
  const Printed p = moesim_prints("--python", folder);
  if (p.exit_code != 0) {
    EXPECT_EQ(p.err, "there is no Python module beside this program: it was built without pybind11\n");
    GTEST_SKIP() << "built without the module";
  }
  EXPECT_TRUE(std::filesystem::exists(p.out.substr(0, p.out.size() - 1) + "/moesim/__init__.py")) << p.out;
}

/// What a terminal of `columns` shows: of the program util-linux has for that.
std::string in_terminal(int columns, const std::string& arguments, const TemporaryFolder& folder, int ends = 0) {
  const std::string file = folder.file("typescript");
  const std::string command = "cd '" + folder.path().string() + "' && COLUMNS=" + std::to_string(columns) +
                              " script -qec \"'" + test::moesim_program() + "' " + arguments + "\" '" + file +
                              "' </dev/null >/dev/null 2>&1";
  if (const int status = std::system(command.c_str()); !WIFEXITED(status) || WEXITSTATUS(status) != ends) return "";
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
  for (const std::string arguments : {"init serve", "init size"})
    for (std::istringstream lines(in_terminal(80, arguments, folder)); lines;) {
      std::string line;
      std::getline(lines, line);
      EXPECT_LE(line.size(), 80u) << arguments << "\n" << line;
    }
  // What is wrong, too.
  std::istringstream wrong(in_terminal(80,
                                       "place --trace " + std::string(70, 'a') + " " + std::string(30, 'b') + "/" +
                                           std::string(30, 'c') + " --gpus four --nodes 2",
                                       folder, 2));
  int count = 0;
  for (std::string line; std::getline(wrong, line); ++count) EXPECT_LE(line.size(), 80u + 4u) << line;
  EXPECT_GE(count, 1);
  const std::string piped = moesim_prints("explain train-deepseek-v3", folder).out;
  std::istringstream lines(piped);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, line.size());
  EXPECT_GT(widest, 120u);
}
}  // namespace
}  // namespace moesim
