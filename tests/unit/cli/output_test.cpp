// What verbs create: -o, its defaults, and what --force overwrites.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <tuple>
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

/// With results in the way of what writes none, and a trace in the way of what writes results: both take hours to make.
TEST(Force, NoVerbOverwritesResultsOrTracesByAnythingElse) {
  const TemporaryFolder folder;
  ASSERT_EQ(moesim_prints(std::string("run train-deepseek-v3") + kSmall + " -o results.db", folder).exit_code, 0);
  folder.write("counts.csv", "1,2,3,4\n4,3,2,1\n");
  folder.write("text.txt", "a few words\n");
  folder.write("sweep.yaml", "scenario: train-mixtral-8x7b\nvary: [{key: training.batch, values: [256]}]\n");
  fs::copy_file(folder.file("results.db"), folder.file("other.db"));
  ASSERT_EQ(moesim_prints("trace import counts.csv --experts 4 --top-k 1 -o trace.db", folder).exit_code, 0);
  const std::string results = "holds no results; --force overwrites results with results alone\n",
                    traces = "holds no routing trace; --force overwrites traces with traces alone\n",
                    like = "is a database; --force overwrites results and traces with their like alone\n";
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {"run", "train-mixtral-8x7b -o trace.db", results},
      {"sweep", "sweep.yaml -o trace.db", results},
      {"merge", "other.db -o trace.db", results},
      {"validate", "train-mixtral-8x7b-interleaved -o trace.db", results},
      {"place", "--loads counts.csv --gpus 2 --top-k 1 --strategy contiguous -o trace.db", results},
      {"size", "size-mixtral-8x7b -o trace.db", results},
      {"size", "size-mixtral-8x7b --scenario results.db", like},
      {"record", "--model deepseek-v2-lite --synthetic --text text.txt -o results.db", traces},
      {"trace import", "counts.csv --experts 4 --top-k 1 -o results.db", traces},
      {"trace export", "trace.db -o results.db", like},
      {"report", "other.db -o results.html.db", ""},
      {"report", "other.db -o results", like},
      {"init", "serve -o results.db", like},
      {"schedule", "1f1b -o results.db", like},
      {"calibrate", ". -o results.db", like},
      {"assemble", "--parent . --parent . -o results.db", like},
  };
  fs::copy_file(folder.file("results.db"), folder.file("results"));
  const auto all = [&] {
    return read_file(folder.file("results.db")) + read_file(folder.file("results")) +
           read_file(folder.file("trace.db"));
  };
  const std::string before = all();
  std::vector<std::string> tried;
  for (const auto& [verb, arguments, says] : cases) {
    tried.push_back(verb);
    const Printed p = moesim_prints(verb + " " + arguments + " --force", folder);
    EXPECT_EQ(p.exit_code, 2) << verb << "\n" << p.out << p.err;
    EXPECT_TRUE(p.err.ends_with(says)) << verb << ": " << p.err;
    EXPECT_TRUE(all() == before) << verb;
  }
  for (const std::string& verb : verbs())
    for (const std::string& part :
         verb == "trace" ? std::vector<std::string>{"trace import", "trace export"} : std::vector<std::string>{verb})
      if (moesim_prints(part + " --help", folder).out.find("--output") != std::string::npos) {
        EXPECT_NE(std::ranges::find(tried, part), tried.end()) << part << " is not tried here";
      }
}

TEST(Sweep, NamesItsResultsAfterItselfUnlessItIsAShard) {
  const TemporaryFolder folder;
  folder.write("batches.of.two.yaml", "scenario: train-mixtral-8x7b\nvary: [{key: training.batch, values: [256]}]\n");
  const Printed swept = moesim_prints("sweep batches.of.two.yaml", folder);
  EXPECT_EQ(swept.exit_code, 0) << swept.err;
  EXPECT_TRUE(swept.out.ends_with("results in batches.of.two.db\n")) << swept.out;
  EXPECT_EQ(moesim_prints("sweep batches.of.two.yaml --shard 1/2", folder).err,
            "--output is required with --shard: each has a database of its own\n");
  // The right verb is said at once, not what is missing for this one.
  EXPECT_TRUE(moesim_prints("sweep quickstart", folder)
                  .err.ends_with("is a scenario, and a sweep was expected; moesim run quickstart runs it\n"));
}

TEST(Report, IsNoDatabase) {
  const TemporaryFolder folder;
  EXPECT_EQ(moesim_prints("report a.db -o page.db", folder).err,
            "page.db: a page is HTML, no database; name it .html\n");
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

}  // namespace
}  // namespace moesim
