// What is no regular file is refused by every verb that reads one, and what cannot be a file's name by every verb that
// makes one.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/program.h"

namespace moesim::cli {
namespace {
/// After `moesim`, with @ for the file.
const std::vector<std::string> kReading = {
    "run @",
    "run @ --dry-run",
    "run quickstart --set routing={trace:\\ @}",
    "run quickstart --set model=@",
    "run quickstart --set cluster=@",
    "run place-deepseek-v3 --set place.from=@",
    "sweep @ -o out.db",
    "merge out.db @",
    "record --model deepseek-v2-lite --synthetic --text @ -o out.db",
    "record --model @ --synthetic --text text.txt -o out.db",
    "place --trace @ --strategy eplb --gpus 8",
    "place --loads @ --strategy eplb --gpus 8",
    "schedule @",
    "show @",
    "explain @",
    "trace info @",
    "trace stats @",
    "trace export @",
    "trace import @ --model deepseek-v2-lite -o out.db",
    "compare @ @",
    "diff @ @",
    "calibrate --gemm @ --tables .",
};

void expect_refused(const std::string& arguments, const std::string& problem, const TemporaryFolder& folder) {
  const Printed printed = moesim_prints(arguments, folder);
  EXPECT_EQ(printed.exit_code, 2) << arguments;
  EXPECT_NE(printed.err.find(problem), std::string::npos) << arguments << "\n" << printed.err;
  EXPECT_EQ(std::ranges::count(printed.err, '\n'), 1) << arguments << "\n" << printed.err;
}

std::string with(std::string arguments, const std::string& file) {
  for (std::size_t at; (at = arguments.find('@')) != std::string::npos;) arguments.replace(at, 1, file);
  return arguments;
}

TEST(FilesReject, ADeviceOrAPipeIsNotRead) {
  const TemporaryFolder folder;
  folder.write("text.txt", "Experts are chosen token by token.");
  ASSERT_EQ(mkfifo(folder.file("pipe").c_str(), 0600), 0);
  for (const std::string& arguments : kReading)
    for (const char* file : {"/dev/zero", "./pipe"})
      expect_refused(with(arguments, file), "is not a regular file", folder);
}

TEST(FilesReject, AFolderIsNotAFile) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.file("some"));
  for (const char* arguments :
       {"run ./some", "sweep ./some -o out.db", "merge out.db ./some", "place --trace ./some --strategy eplb --gpus 8",
        "schedule ./some", "trace info ./some", "trace export ./some", "compare ./some ./some"})
    expect_refused(arguments, "./some: is a folder, expected a file", folder);
}

TEST(FilesReject, ANameOfWhatIsToBeMade) {
  const TemporaryFolder folder;
  for (const char* arguments :
       {"run quickstart -o", "run quickstart --timeline", "sweep sweep-schedules -o",
        "place --trace x --strategy eplb --db", "record --model deepseek-v2-lite --synthetic --text . -o",
        "schedule dualpipe --svg", "trace export x -o", "trace import x -o", "calibrate --gemm x --tables . -o",
        "assemble --parent a --parent b -o", "place --trace x --strategy eplb -o", "merge shard.db -o"}) {
    expect_refused(std::string(arguments) + " ''", "expected the name of what to create, got \"\"", folder);
    expect_refused(std::string(arguments) + " -", "\"-\" is not standard output here", folder);
  }
  expect_refused("merge - shard.db", "expected the name of a file to create, got \"-\"", folder);
  EXPECT_TRUE(folder.empty());
}
}  // namespace
}  // namespace moesim::cli
