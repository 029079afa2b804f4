#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

namespace {
namespace fs = std::filesystem;

// The rooms of sim/ and what each may include; sim/README.md shows the same table.
using Names = std::set<std::string>;

Names with(Names more, const Names& below) {
  more.insert(below.begin(), below.end());
  return more;
}

const Names kFiles = {"formats", "core"};
const Names kShapes = with({"spec", "results"}, kFiles);
const Names kTraffic = with({"exchange", "routing"}, kShapes);
const Names kStep = with({"placement", "network", "compute"}, kTraffic);
const Names kStudy = with({"schedule", "forward"}, kStep);
const Names kRun = with({"passes", "training", "placing", "serving", "recording", "numerics"}, kStudy);
const std::map<std::string, Names> kMayInclude = {
    {"core", {}},
    {"formats", {"core"}},
    {"results", {"core"}},
    {"spec", kFiles},
    {"numerics", kShapes},
    {"routing", with({"numerics"}, kShapes)},
    {"exchange", with({"routing"}, kShapes)},
    {"network", kTraffic},
    {"compute", kTraffic},
    {"placement", kTraffic},
    {"forward", kStep},
    {"schedule", with({"forward"}, kStep)},
    {"passes", kStudy},
    {"training", kStudy},
    {"placing", kStudy},
    {"serving", kStudy},
    {"recording", with({"routing", "numerics"}, kShapes)},
    {"runs", kRun},
    {"cli", with({"runs"}, kRun)},
};

// Rooms inside a folder, and what each may include of that folder besides itself; a file that lies in none is the
// folder's door and may include all of them.
using Rooms = std::map<std::string, std::set<std::string>>;
const std::map<std::string, Rooms> kRooms = {
    {"serving",
     {{"requests", {}},
      {"traces", {"requests"}},
      {"step", {}},
      {"instance", {"requests", "step"}},
      {"fleet", {"requests", "step", "instance"}},
      {"service", {"requests", "step", "instance", "fleet"}},
      {"deployment", {"requests", "traces", "step", "instance", "fleet", "service"}},
      {"report", {"requests", "traces", "step", "instance", "fleet", "service", "deployment"}}}},
};

// Third-party headers and the one folder (or the few) that may include them.
const std::map<std::string, std::set<std::string>> kThirdParty = {
    {"yaml-cpp/", {"core"}},      {"sqlite3.h", {"results"}},  {"zstd.h", {"results"}},
    {"cblas.h", {"numerics"}},    {"CLI/", {"cli"}},          {"boost/", {"network", "placement"}},
    {"glpk.h", {"exchange"}},    {"zlib.h", {"formats"}},    {"pcre2.h", {"numerics"}},
    {"utf8proc.h", {"numerics"}}, {"nlohmann/", {"formats"}},
};

std::string folder_of(const fs::path& file) {
  return fs::relative(file, fs::path(SOURCE_DIR) / "sim").begin()->string();
}

TEST(Layers, FoldersIncludeOnlyTheFoldersBelowThem) {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SOURCE_DIR) / "sim")) {
    const std::string extension = entry.path().extension().string();
    if ((extension != ".h" && extension != ".cpp") || entry.path().parent_path().filename() == "sim") continue;
    const std::string folder = folder_of(entry.path());
    ASSERT_TRUE(kMayInclude.contains(folder)) << folder << " is not in the table";
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("#include \"")) continue;
      const std::string other = line.substr(10, line.find('/') - 10);
      EXPECT_TRUE(other == folder || kMayInclude.at(folder).contains(other)) << entry.path() << ": " << line;
    }
  }
}

TEST(Layers, RoomsIncludeOnlyTheRoomsBelowThem) {
  for (const auto& [folder, rooms] : kRooms) {
    const fs::path root = fs::path(SOURCE_DIR) / "sim" / folder;
    const std::string own = "#include \"" + folder + "/";
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string extension = entry.path().extension().string();
      if ((extension != ".h" && extension != ".cpp") || entry.path().parent_path() == root) continue;
      const std::string room = fs::relative(entry.path(), root).begin()->string();
      ASSERT_TRUE(rooms.contains(room)) << folder << "/" << room << " is not in the table";
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(own)) continue;
        const std::string other = line.substr(own.size(), line.find('/', own.size()) - own.size());
        EXPECT_TRUE(other == room || rooms.at(room).contains(other)) << entry.path() << ": " << line;
      }
    }
  }
}

TEST(Layers, NoRoomIncludesOneThatIncludesIt) {
  for (const auto& [folder, rooms] : kRooms)
    for (const auto& [room, below] : rooms)
      for (const std::string& other : below) {
        ASSERT_TRUE(rooms.contains(other)) << folder << "/" << other << " is not in the table";
        EXPECT_FALSE(rooms.at(other).contains(room)) << room << " and " << other << " include each other";
      }
}

TEST(Layers, EachThirdPartyHeaderStaysInItsFolder) {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SOURCE_DIR) / "sim")) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cpp") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);)
      for (const auto& [header, folders] : kThirdParty)
        if (line.starts_with("#include <" + header)) {
          EXPECT_TRUE(folders.contains(folder_of(entry.path()))) << entry.path() << ": " << line;
        }
  }
}
}  // namespace
