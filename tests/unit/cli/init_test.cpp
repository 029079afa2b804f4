// What `moesim init` writes is read, and runs, as it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "cli/listing/starts.h"
#include "core/config.h"
#include "core/files.h"
#include "support/program.h"

namespace moesim::cli {
namespace {
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string next_of(const Start& start, const std::string& file) {
  std::string out(start.next.substr(start.next.find(' ') + 1));
  return out.replace(out.find("FILE"), 4, file);
}

TEST(Init, EveryStartRunsAsItIs) {
  const TemporaryFolder folder;
  for (const Start& start : starts()) {
    const std::string name(start.name), file = name + ".yaml";
    const Printed written = moesim_prints("init " + name + " -o " + file, folder);
    ASSERT_EQ(written.exit_code, 0) << written.err;
    EXPECT_TRUE(has(written.out, file + " is written; next: moesim ")) << written.out;
    const Printed ran = moesim_prints(next_of(start, file), folder);
    EXPECT_EQ(ran.exit_code, 0) << name << ": " << ran.err;
    EXPECT_TRUE(has(ran.out, "My ")) << "its title is not in\n" << ran.out;
  }
}

/// With every key in force that the start has behind "# ".
std::string uncommented(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find_first_not_of(' ');
    const bool open = has(line, ": ...");  // what another section says
    if (line.substr(at, 2) == "# " && at > 0 && !open) line.erase(at, 2);
    out += line + "\n";
  }
  return out;
}

// A default that is written out means what it means when it is left out, or says why it cannot be: here it must be
// read.
TEST(Init, WhatIsCommentedOutCouldBeWritten) {
  const TemporaryFolder folder;
  for (const char* name : {"cluster", "model"}) {
    const Start& start = *std::ranges::find(starts(), std::string_view(name), &Start::name);
    std::ofstream(folder.file("all.yaml")) << uncommented(start.text());
    const Printed ran = moesim_prints(next_of(start, "all.yaml"), folder);
    EXPECT_EQ(ran.exit_code, 0) << name << ": " << ran.err << uncommented(start.text());
  }
}

TEST(Init, EveryKeyHasItsHelpBehindIt) {
  for (const Start& start : starts()) {
    std::istringstream lines(start.text());
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(line.empty() || line.starts_with("# ") || line.find("  # ") != line.npos) << line;
  }
  EXPECT_TRUE(has(starts()[0].text(), "# requests arrive until then; 0 s: until the workload ends"));
}

TEST(Init, WritesOverNothingUnlessForced) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("mine.yaml")) << "title: mine\n";
  const Printed refused = moesim_prints("init serve -o mine.yaml", folder);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(read_file(folder.file("mine.yaml")), "title: mine\n");
  EXPECT_EQ(moesim_prints("init serve -o mine.yaml --force", folder).exit_code, 0);
  EXPECT_TRUE(read_file(folder.file("mine.yaml")).starts_with("# "));
}

TEST(Init, NamesTheNearestStart) {
  const TemporaryFolder folder;
  const Printed wrong = moesim_prints("init serv", folder);
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_EQ(wrong.err, "no start is called \"serv\"; did you mean \"serve\"?\n");
  EXPECT_EQ(moesim_prints("init train", folder).out, starts()[1].text());
}
}  // namespace
}  // namespace moesim::cli
