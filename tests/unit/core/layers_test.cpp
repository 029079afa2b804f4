#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/places.h"

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
    {"sizing", with({"runs"}, kRun)},
    {"pages", with({"routing", "numerics"}, kShapes)},
    {"cli", with({"pages", "sizing", "runs"}, kRun)},
    {"python", {"results", "core"}},
};

// Rooms inside a folder, from the lowest up, and what each may include of that folder besides itself; all of it stands
// above it in the list, so there are no circles.  A file that lies in none is the folder's door: what all of them share
// (`placement/placement.h`), or what puts them together.
using Rooms = std::vector<std::pair<std::string, Names>>;
const std::map<std::string, Rooms> kRooms = {
    {"cli", {{"explaining", {}}, {"listing", {}}, {"manual", {"listing"}}, {"showing", {}}}},
    {"compute", {{"kernels", {}}, {"layers", {"kernels"}}, {"fitting", {"kernels", "layers"}}}},
    {"network",
     {{"topology", {}},
      {"sharing", {}},
      {"groups", {"topology"}},
      {"collectives", {"groups"}},
      {"exchanges", {"topology", "groups", "collectives"}},
      {"fitting", {"topology", "exchanges", "collectives"}}}},
    {"numerics",
     {{"algebra", {}},
      {"tokens", {}},
      {"weights", {"algebra"}},
      {"pass", {"algebra", "weights"}},
      {"synthetic", {"pass", "weights"}},
      {"compressed", {"algebra", "weights", "pass"}}}},
    {"pages", {{"charts", {}}, {"studies", {"charts"}}}},
    {"placement",
     {{"planning", {}},
      {"scores", {"planning"}},
      {"files", {}},
      {"policies", {"planning", "scores"}},
      {"rebalancing", {"planning"}}}},
    {"runs", {{"sweeping", {}}}},
    {"sizing", {{"pretraining", {}}}},
    {"routing", {{"laws", {}}, {"importers", {}}, {"exporters", {}}}},
    {"schedule", {{"pipelines", {}}, {"executor", {"pipelines"}}}},
    {"spec", {{"release", {}}}},
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

const Names* of_sub_room(const Rooms& rooms, const std::string& name) {
  for (const auto& [room, below] : rooms)
    if (room == name) return &below;
  return nullptr;
}

// Third-party headers and the one folder (or the few) that may include them.
const std::map<std::string, std::set<std::string>> kThirdParty = {
    {"yaml-cpp/", {"core"}},      {"sqlite3.h", {"results"}}, {"zstd.h", {"results"}},
    {"cblas.h", {"numerics"}},    {"CLI/", {"cli"}},          {"boost/", {"network", "placement"}},
    {"glpk.h", {"exchange"}},     {"zlib.h", {"formats"}},    {"pcre2.h", {"numerics"}},
    {"utf8proc.h", {"numerics"}}, {"nlohmann/", {"formats"}}, {"pybind11/", {"python"}},
};

std::string room_of(const fs::path& file) {
  return fs::relative(file, fs::path(moesim::test::source_dir()) / "sim").begin()->string();
}

/// Every source file of a room; main.cpp lies in none.
std::vector<fs::path> sources() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(moesim::test::source_dir()) / "sim")) {
    const std::string extension = entry.path().extension().string();
    if ((extension == ".h" || extension == ".cpp") && entry.path().parent_path().filename() != "sim")
      out.push_back(entry.path());
  }
  return out;
}

TEST(Layers, RoomsIncludeOnlyTheRoomsBelowThem) {
  for (const fs::path& path : sources()) {
    const std::string room = room_of(path);
    ASSERT_TRUE(kMayInclude.contains(room)) << room << " is not in the table";
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("#include \"")) continue;
      const std::string other = line.substr(10, line.find('/') - 10);
      EXPECT_TRUE(other == room || kMayInclude.at(room).contains(other)) << path << ": " << line;
    }
  }
}

TEST(Layers, SubRoomsIncludeOnlyThoseBelowThem) {
  for (const fs::path& path : sources()) {
    const fs::path in = fs::relative(path, fs::path(moesim::test::source_dir()) / "sim");
    const std::string folder = in.begin()->string(), room = std::next(in.begin())->string();
    if (in.parent_path() == folder) continue;  // the door
    ASSERT_TRUE(kRooms.contains(folder)) << folder << " has rooms and is not in the table";
    const Names* const below = of_sub_room(kRooms.at(folder), room);
    ASSERT_TRUE(below) << folder << "/" << room << " is not in the table";
    const std::string own = "#include \"" + folder + "/";
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with(own)) continue;
      const std::size_t end = line.find('/', own.size());
      if (end == std::string::npos) continue;  // the door
      const std::string other = line.substr(own.size(), end - own.size());
      EXPECT_TRUE(other == room || below->contains(other)) << path << ": " << line;
    }
  }
}

TEST(Layers, SubRoomsStandAboveWhatTheyInclude) {
  for (const auto& [folder, rooms] : kRooms) {
    Names seen;
    for (const auto& [room, below] : rooms) {
      for (const std::string& other : below)
        EXPECT_TRUE(seen.contains(other))
            << folder << "/" << room << " includes " << other << ", which is not below it";
      seen.insert(room);
    }
  }
}

TEST(Layers, EachThirdPartyHeaderStaysInItsRoom) {
  for (const fs::path& path : sources()) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      for (const auto& [header, rooms] : kThirdParty)
        if (line.starts_with("#include <" + header)) {
          EXPECT_TRUE(rooms.contains(room_of(path))) << path << ": " << line;
        }
  }
}

/// What may hold names from others' files is printed by print_text(), which writes out what steers a terminal.  Traces
/// are exported as they are.
TEST(Layers, ResultsArePrintedInOneWay) {
  const std::set<std::string> excepted = {"core/log.cpp", "cli/trace.cpp"};
  for (const fs::path& path : sources()) {
    if (excepted.contains(room_of(path) + "/" + path.filename().string())) continue;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      for (const char* way : {"fmt::print(", "std::cout", "printf("})
        EXPECT_EQ(line.find(way), std::string::npos) << path << ": " << line;
  }
}

/// The C library picks these by processor, and differs in the last bit; core/elementary.h has them for every machine.
TEST(Layers, NoFunctionWhoseBitsDependOnTheProcessorIsUsed) {
  for (const fs::path& path : sources()) {
    if (path.filename() == "elementary.cpp" || path.filename() == "elementary.h") continue;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      for (const char* name :
           {"exp",   "exp2", "expm1", "log",  "log1p", "log2", "pow", "sin",    "cos",    "tan", "atan",
            "atan2", "asin", "acos",  "sinh", "cosh",  "tanh", "erf", "tgamma", "lgamma", "fma"})
        EXPECT_EQ(line.find("std::" + std::string(name) + "("), std::string::npos) << path << ": " << line;
  }
}

/// The rooms of forward declarations, `namespace moesim::results {` followed by `class Results;`, are not their own.
bool declares_only(std::ifstream& file) {
  std::string line;
  while (std::getline(file, line) && line != "}" && !line.starts_with("}  //"))
    if (!line.ends_with(";") || !(line.starts_with("class ") || line.starts_with("struct "))) return false;
  return true;
}

TEST(Layers, ARoomIsANamespace) {
  for (const fs::path& path : sources()) {
    // Shows core's names to all rooms.
    if (path.parent_path().filename() == "core" && path.filename() == "names.h") continue;
    const std::string own = "namespace moesim::" + room_of(path);
    std::ifstream file(path);
    bool found = false;
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("namespace moesim")) continue;
      const bool in_own = line.starts_with(own + " {") || line.starts_with(own + "::");
      found = found || in_own;
      EXPECT_TRUE(in_own || declares_only(file)) << path << ": " << line;
    }
    EXPECT_TRUE(found) << path << " opens no " << own;
  }
}
}  // namespace
