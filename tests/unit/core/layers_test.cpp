#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

namespace {
namespace fs = std::filesystem;

// The folders of sim/ and what each may include; sim/README.md shows the same table.
const std::set<std::string> kModels = {"routing", "spec", "record", "core"};
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {}},
    {"spec", {"core"}},
    {"record", {"core"}},
    {"numerics", {"spec", "record", "core"}},
    {"routing", {"numerics", "spec", "record", "core"}},
    {"placement", kModels},
    {"network", kModels},
    {"compute", kModels},
    {"forward", {"placement", "network", "compute", "routing", "spec", "record", "core"}},
    {"schedule", {"forward", "placement", "network", "compute", "routing", "spec", "record", "core"}},
    {"training", {"schedule", "forward", "placement", "network", "compute", "routing", "spec", "record", "core"}},
    {"serving", {"schedule", "forward", "placement", "network", "compute", "routing", "spec", "record", "core"}},
    {"study",
     {"training", "serving", "schedule", "forward", "placement", "network", "compute", "routing", "numerics", "spec",
      "record", "core"}},
    {"report", {"record", "core"}},
    {"cli",
     {"report", "study", "training", "serving", "schedule", "forward", "placement", "network", "compute", "routing",
      "numerics", "spec", "record", "core"}},
};

// Third-party headers and the one folder (or the few) that may include them.
const std::map<std::string, std::set<std::string>> kThirdParty = {
    {"yaml-cpp/", {"core"}},      {"sqlite3.h", {"record"}}, {"zstd.h", {"record"}},
    {"cblas.h", {"numerics"}},    {"CLI/", {"cli"}},         {"boost/", {"network", "placement"}},
    {"glpk.h", {"placement"}},    {"zlib.h", {"routing"}},   {"pcre2.h", {"numerics"}},
    {"utf8proc.h", {"numerics"}},
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
