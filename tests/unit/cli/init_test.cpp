// What `moesim init` writes is read, and runs, as it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "cli/listing/starts.h"
#include "core/config.h"
#include "core/files.h"
#include "support/program.h"
#include "support/text.h"

namespace moesim::cli {
namespace {
using test::has;

std::string next_of(const Start& start, const std::string& file) {
  std::string out(start.next.substr(start.next.find(' ') + 1));
  return out.replace(out.find("FILE"), 4, file);
}

/// Of a start whose search takes seconds: how little of it a test needs.
std::string short_search(const Start& start) {
  return start.name == "size" ? " --set size.search.seeds=1 --set \"size.search.most=20 s\"" : "";
}

TEST(Init, EveryStartRunsAsItIs) {
  const TemporaryFolder folder;
  for (const Start& start : starts()) {
    const std::string name(start.name), file = name + ".yaml";
    const Printed written = moesim_prints("init " + name + " -o " + file, folder);
    ASSERT_EQ(written.exit_code, 0) << written.err;
    EXPECT_TRUE(has(written.out, file + " is written; next: moesim ")) << written.out;
    const Printed ran = moesim_prints(next_of(start, file) + short_search(start), folder);
    EXPECT_EQ(ran.exit_code, 0) << name << ": " << ran.err;
    EXPECT_TRUE(has(ran.out, "My ")) << "its title is not in\n" << ran.out;
  }
}

/// Whether the line is a key with its value behind "# ", no prose.
bool is_default(const std::string& line) {
  const std::size_t at = line.find_first_not_of(' ');
  if (at == line.npos || line.compare(at, 2, "# ") != 0) return false;
  const std::size_t help = line.find("  # ", at + 2);
  return help != line.npos && line.find(": ", at + 2) < help;
}
/// With such a line in force, and how many there are.
std::pair<std::string, int> uncommented(const std::string& text) {
  std::istringstream lines(text);
  std::pair<std::string, int> out;
  for (std::string line; std::getline(lines, line);) {
    if (is_default(line)) line.erase(line.find("# "), 2), ++out.second;
    out.first += line + "\n";
  }
  return out;
}
/// What a run says of its results; the seconds it took aside.
std::string figures_of(const std::string& out) {
  const std::size_t at = out.find("fingerprint");
  return at == out.npos ? out : out.substr(at, out.find('\n', at) - at);
}

// A default that is written out means what it means when it is left out.
TEST(Init, WhatIsCommentedOutMayBeWrittenAndChangesNothing) {
  const TemporaryFolder folder;
  int all = 0;
  for (const Start& start : starts()) {
    const std::string name(start.name);
    const auto [text, count] = uncommented(start.text());
    all += count;
    std::ofstream(folder.file(name + "-all.yaml")) << text;
    std::ofstream(folder.file(name + ".yaml")) << start.text();
    const Printed ran = moesim_prints(next_of(start, name + "-all.yaml") + short_search(start), folder);
    EXPECT_EQ(ran.exit_code, 0) << name << ": " << ran.err << text;
    if (count == 0 || name == "size") continue;  // whose search takes seconds; it ran
    const Printed before = moesim_prints(next_of(start, name + ".yaml"), folder);
    EXPECT_EQ(figures_of(ran.out), figures_of(before.out)) << name;
  }
  EXPECT_GE(all, 100);  // of serve, train, place and size
}

TEST(Init, SaysNoKeyTwiceAndNoneOfAnotherStudy) {
  for (const Start& start : starts()) EXPECT_FALSE(has(start.text(), ": ...  ")) << start.name;
  const std::string size(std::ranges::find(starts(), std::string_view("size"), &Start::name)->text());
  EXPECT_FALSE(has(size, "\n# size"));
  const std::string place(std::ranges::find(starts(), std::string_view("place"), &Start::name)->text());
  EXPECT_FALSE(has(place, "\n# placement"));
}

TEST(Init, EveryKeyHasItsHelpBehindIt) {
  for (const Start& start : starts()) {
    std::istringstream lines(start.text());
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(line.empty() || line.starts_with("# ") || line.find("  # ") != line.npos) << line;
  }
  EXPECT_TRUE(has(starts()[0].text(), "# requests arrive until then; 0 s: until the"));
}

TEST(Init, FitsEightyColumns) {
  for (const Start& start : starts()) {
    std::istringstream lines(start.text());
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << start.name << ": " << line;
  }
  // What is cut goes on below, and no word is lost.
  const std::string serve(starts()[0].text());
  const std::string column(34, ' ');
  EXPECT_TRUE(has(serve, "  warmup: 15 s" + column.substr(14) + "  # requests that arrive before, and\n" + column +
                             "  # throughput before, are left out of the\n" + column + "  # figures\n"))
      << serve;
}

// A value that reaches beyond the column of help leaves it less room: what fits, by whole words, or all of it.
TEST(Init, HelpBehindALongValueGoesOnInItsColumn) {
  const auto text = [](std::string_view name) {
    return std::string(std::ranges::find(starts(), name, &Start::name)->text());
  };
  EXPECT_TRUE(has(text("place"), "  strategies: [contiguous, eplb_hierarchical, eplb_global]  # kinds of\n" +
                                     std::string(34, ' ') + "  # placement, or maps with their parameters\n"))
      << text("place");
  EXPECT_TRUE(has(text("cluster"),
                  "  title: \"InfiniBand NDR, rail-optimised, two levels\"  # full name\n  kind: rail_leaf_spine "))
      << text("cluster");
}

TEST(Init, WritesOverNothingUnlessForced) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("mine.yaml")) << "title: mine\n";
  const Printed refused = moesim_prints("init serve -o mine.yaml", folder);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(read_file(folder.file("mine.yaml")), "title: mine\n");
  const Printed forced = moesim_prints("init serve -o mine.yaml --force", folder);
  EXPECT_EQ(forced.exit_code, 0);
  EXPECT_EQ(forced.out, "mine.yaml is written; next: moesim run mine.yaml\n");
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
