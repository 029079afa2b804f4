// Man pages and completion, as man, bash and zsh read them.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "support/places.h"
#include "support/program.h"

namespace moesim {
namespace {
namespace fs = std::filesystem;

class Manual : public testing::Test {
 protected:
  Manual() {
    fs::create_directory(folder_.file("m"));
    made_ = moesim_prints("manual m", folder_);
  }
  std::string text(const std::string& name) const { return core::read_file(folder_.file("m/" + name)); }
  /// What a shell command prints, stderr with it.
  std::string shell(const std::string& command) const {
    std::string out;
    std::array<char, 4096> buffer{};
    const std::string path = fs::path(test::moesim_program()).parent_path().string();
    FILE* pipe = popen(
        ("cd '" + folder_.path().string() + "' && PATH='" + path + "':$PATH && { " + command + "; } 2>&1").c_str(),
        "r");
    for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) out.append(buffer.data(), n);
    pclose(pipe);
    return out;
  }
  bool there(const std::string& program) const { return !shell("command -v " + program).empty(); }
  /// What bash offers for a line whose last word is being typed.
  std::string completed(const std::string& line) const {
    return shell("bash -c '. m/moesim.bash; COMP_WORDS=(" + line +
                 "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _moesim; printf \"%s\\n\" \"${COMPREPLY[@]}\"'");
  }
  TemporaryFolder folder_;
  Printed made_;
};

TEST_F(Manual, SaysRequiredOfWhatMustBeGivenAlone) {
  const std::string page = text("moesim-init.1");
  EXPECT_NE(page.find("experts) (required)\n"), std::string::npos) << page;
  EXPECT_NE(page.find("file to create (default: print it)\n"), std::string::npos);
  EXPECT_EQ(page.find("(required)"), page.rfind("(required)")) << "one is";
}

TEST_F(Manual, HasAPageOfEveryVerbWithEveryOption) {
  ASSERT_EQ(made_.exit_code, 0) << made_.err;
  const std::string whole = text("moesim.1");
  std::istringstream lines(moesim_prints("--help", folder_).out);
  bool listed = false;
  int verbs = 0;
  for (std::string line; std::getline(lines, line);) {
    if (listed && line.starts_with("  ") && line[2] != ' ') {
      const std::string verb = line.substr(2, line.find(' ', 2) - 2);
      EXPECT_NE(whole.find("moesim\\-" + verb + "\\fR(1)"), std::string::npos) << verb;
      EXPECT_TRUE(fs::exists(folder_.file("m/moesim-" + verb + ".1"))) << verb;
      ++verbs;
    }
    listed = listed || line.starts_with("Subcommands");
  }
  EXPECT_GE(verbs, 18);
  for (const char* option : {"\\-\\-timeline", "\\-\\-seed", "\\-\\-force", "\\-\\-limit\\-memory"})
    EXPECT_NE(text("moesim-run.1").find(option), std::string::npos) << option;
  EXPECT_EQ(text("moesim.1").find("moesim\\-manual"), std::string::npos);  // it is for packages
}

TEST_F(Manual, ManReadsEveryPageWithoutAWarning) {
  if (!there("man")) GTEST_SKIP() << "no man(1) here";
  for (const auto& page : fs::directory_iterator(folder_.file("m")))
    if (page.path().extension() == ".1") {
      EXPECT_EQ(shell("MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z '" + page.path().string() +
                      "' >/dev/null"),
                "")
          << page.path();
    }
}

TEST_F(Manual, BashCompletesVerbsOptionsAndNames) {
  if (!there("bash")) GTEST_SKIP() << "no bash here";
  EXPECT_EQ(completed("moesim si"), "size\n");
  EXPECT_EQ(completed("moesim run --timeline-w"), "--timeline-window\n");
  EXPECT_EQ(completed("moesim run quickst"), "quickstart\n");
  EXPECT_EQ(completed("moesim run --force quickst"), "quickstart\n");  // a flag takes none
  EXPECT_EQ(completed("moesim trace imp"), "import\n");
  EXPECT_EQ(completed("moesim init tr"), "train\n");
  EXPECT_EQ(completed("moesim list hardw"), "hardware\n");
  EXPECT_EQ(completed("moesim show mixtral-8x7"), "mixtral-8x7b\n");
  EXPECT_EQ(completed("moesim trace export --form"), "--format\n");
  EXPECT_EQ(completed("moesim place --strategy eplb_g"), "eplb_global\n");
}

TEST_F(Manual, BashOffersAVerbWhatItTakes) {
  if (!there("bash")) GTEST_SKIP() << "no bash here";
  for (const std::string verb : {"size", "sweep"}) {
    std::istringstream offered(completed("moesim " + verb + " s"));
    int names = 0;
    for (std::string name; std::getline(offered, name); ++names)
      EXPECT_TRUE(name.starts_with(verb + "-")) << "moesim " << verb << " refuses " << name;
    EXPECT_GE(names, 3) << verb;
  }
  EXPECT_EQ(completed("moesim run siz"), "\n");
  EXPECT_NE(completed("moesim run serv").find("serve-mixtral-8x7b\n"), std::string::npos);
  shell("touch a1.db a2.yaml; mkdir a3");
  EXPECT_EQ(completed("moesim report a"), "a1.db\na3\n");
  EXPECT_EQ(completed("moesim diff a1.db a"), "a1.db\na3\n");
  EXPECT_EQ(completed("moesim run a"), "a1.db\na2.yaml\na3\n");
}

TEST_F(Manual, ZshTakesItsScript) {
  if (!there("zsh")) GTEST_SKIP() << "no zsh here";
  EXPECT_EQ(shell("zsh -n m/_moesim"), "");
  EXPECT_NE(text("_moesim").find("'--seed[seed of all random streams"), std::string::npos);
}

/// The verbs that --help lists.
std::vector<std::string> verbs_in(const std::string& help) {
  std::istringstream lines(help);
  std::vector<std::string> out;
  bool listed = false;
  for (std::string line; std::getline(lines, line);) {
    if (listed && line.starts_with("  ") && line[2] != ' ') out.push_back(line.substr(2, line.find(' ', 2) - 2));
    listed = listed || line.starts_with("Subcommands");
  }
  return out;
}

TEST_F(Manual, SaysWhichOptionsTakeAValueAsHelpDoes) {
  int flags = 0, valued = 0;
  for (const std::string& verb : verbs_in(moesim_prints("--help", folder_).out)) {
    const std::string page = text("moesim-" + verb + ".1");
    std::istringstream lines(moesim_prints(verb + " --help", folder_).out);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find_first_not_of(' '), dashes = line.find("--");
      if (at > 6 || line[std::min(at, line.size())] != '-' || dashes > 8) continue;
      const std::size_t end = std::min(line.find_first_of(" ,", dashes), line.size());
      std::string name;  // as man has it
      for (const char c : line.substr(dashes, end - dashes)) name += c == '-' ? std::string("\\-") : std::string(1, c);
      const std::size_t type = std::min(line.find(' ', dashes), line.size());
      const bool value = line.compare(type, 5, " TEXT") == 0 || line.compare(type, 5, " UINT") == 0 ||
                         line.compare(type, 4, " INT") == 0 || line.compare(type, 6, " FLOAT") == 0;
      const std::size_t there = page.find(name + "\\fR");
      ASSERT_NE(there, std::string::npos) << verb << " " << name;
      const std::string in_page = page.substr(there, page.find('\n', there) - there);
      const bool says = in_page.find("TEXT") != std::string::npos || in_page.find("NUMBER") != std::string::npos;
      EXPECT_EQ(says, value) << verb << ": " << line << "\n" << in_page;
      ++(value ? valued : flags);
    }
  }
  EXPECT_GE(flags, 18);
  EXPECT_GE(valued, 30);
}
}  // namespace
}  // namespace moesim
