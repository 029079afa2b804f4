// scenarios/README.md lists what the catalogue holds, under its titles.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "core/config.h"
#include "core/files.h"
#include "support/places.h"

namespace moesim::cli {
namespace {
TEST(Gallery, ListsEveryScenarioWithItsTitleAndAFigure) {
  namespace fs = std::filesystem;
  const std::string text = read_file(test::source_dir() + "/scenarios/README.md");
  std::ptrdiff_t scenarios = 0;
  for (const auto& entry : fs::directory_iterator(test::source_dir() + "/scenarios")) {
    if (entry.path().extension() != ".yaml") continue;
    ++scenarios;
    const std::string name = entry.path().stem().string();
    const std::string title = Config::load(entry.path().string()).at("title").text();
    const std::string line = "| [" + name + "](" + name + ".yaml) | " + title + " | ";
    const std::size_t at = text.find(line);
    ASSERT_NE(at, text.npos) << "scenarios/gallery.py lists it: " << line;
    EXPECT_EQ(std::string("|-\n").find(text.at(at + line.size())), std::string::npos) << name << " has no figure";
  }
  std::ptrdiff_t lines = 0;
  for (std::size_t at = text.find("\n| ["); at != text.npos; at = text.find("\n| [", at + 1)) ++lines;
  EXPECT_EQ(lines, scenarios) << "it lists what is not there";
}
}  // namespace
}  // namespace moesim::cli
