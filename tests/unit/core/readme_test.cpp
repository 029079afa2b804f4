// Every folder of sim/ explains itself in at most 40 lines, and names no file that is not there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/places.h"

namespace {
namespace fs = std::filesystem;

const fs::path kRepository = moesim::test::source_dir();
const fs::path kSim = kRepository / "sim";

constexpr int kMostLines = 40;  // what one takes in at a glance; sim/README.md is the map, and longer

// Headers that READMEs name because one room keeps them to itself.
const std::set<std::string> kThirdPartyHeaders = {"cblas.h", "glpk.h", "sqlite3.h", "zlib.h", "zstd.h"};

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_source(const fs::path& file) { return file.extension() == ".h" || file.extension() == ".cpp"; }

/// The folders below sim/ with sources in them or below them: rooms and sub-rooms.
std::vector<fs::path> rooms() {
  std::set<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(kSim))
    if (is_source(entry.path()))
      for (fs::path folder = entry.path().parent_path(); folder != kSim; folder = folder.parent_path())
        out.insert(folder);
  return {out.begin(), out.end()};
}

const std::set<std::string> kNamedKinds = {".h", ".cpp", ".md", ".yaml", ".sql", ".csv", ".py", ".sh", ".txt"};

bool is_path(std::string_view words) {
  const auto in_path = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '/' || c == '-'; };
  const fs::path path = words;
  return std::ranges::all_of(words, in_path) && kNamedKinds.contains(path.extension().string()) && !path.stem().empty();
}

/// Between back-quotes, and nothing but a path: `network/network.h`, `fluid.cpp`, `reports/schema.md`.
std::vector<std::string> named_files(const fs::path& readme) {
  std::istringstream text(text_of(readme));
  std::vector<std::string> out;
  std::string prose, quoted;
  while (std::getline(text, prose, '`') && std::getline(text, quoted, '`'))
    if (is_path(quoted)) out.push_back(quoted);
  return out;
}

/// A path is meant from the README's own folder, its room, sim/ or the repository.  A name alone is that of a file in
/// the folder, or in one below it.
bool is_there(const std::string& name, const fs::path& readme) {
  const fs::path folder = readme.parent_path();
  if (name.find('/') == std::string::npos) {
    if (fs::exists(folder / name) || kThirdPartyHeaders.contains(name)) return true;
    return std::ranges::any_of(fs::recursive_directory_iterator(folder),
                               [&](const fs::directory_entry& entry) { return entry.path().filename() == name; });
  }
  std::vector<fs::path> from = {folder, kSim, kRepository};
  if (folder != kSim) from.push_back(kSim / *fs::relative(folder, kSim).begin());
  return std::ranges::any_of(from, [&](const fs::path& start) { return fs::exists(start / name); });
}

TEST(Readme, EveryRoomHasOneThatIsTakenInAtAGlance) {
  ASSERT_FALSE(rooms().empty());
  for (const fs::path& room : rooms()) {
    const fs::path readme = room / "README.md";
    ASSERT_TRUE(fs::exists(readme)) << readme << " is missing";
    const std::string text = text_of(readme);
    EXPECT_TRUE(text.starts_with("# ")) << readme << " has no title";
    EXPECT_LE(std::ranges::count(text, '\n'), kMostLines)
        << readme << " is too long: move what was measured to reports/";
  }
}

TEST(Readme, FilesThatAreNamedAreThere) {
  std::vector<fs::path> readmes = {kSim / "README.md"};
  for (const fs::path& room : rooms()) readmes.push_back(room / "README.md");
  for (const fs::path& readme : readmes)
    for (const std::string& name : named_files(readme)) EXPECT_TRUE(is_there(name, readme)) << readme << ": " << name;
}

TEST(Readme, WhatIsMissingIsSeen) {
  const fs::path readme = kSim / "core/README.md";
  EXPECT_TRUE(is_there("engine.h", readme));
  EXPECT_TRUE(is_there("bench/core_engine_bench.cpp", readme));
  EXPECT_FALSE(is_there("engines.h", readme));
  EXPECT_FALSE(is_there("fluid.cpp", readme)) << "a name alone is that of a file below the folder";
  EXPECT_FALSE(is_there("network/fluid.cpp", readme));
}
}  // namespace
