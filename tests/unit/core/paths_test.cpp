#include "core/paths.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/config.h"
#include "support/temporary_folder.h"

namespace moesim::core {
namespace {
namespace fs = std::filesystem;

/// The folder where the command runs holds sub/ with the file that names others.
class Paths : public testing::Test {
 protected:
  Paths() : before_(fs::current_path()) {
    fs::create_directories(folder_.path() / "sub" / "hardware");
    fs::current_path(folder_.path());
  }
  ~Paths() override { fs::current_path(before_); }
  static void make(const std::string& file) { std::ofstream(file) << "a: 1\n"; }
  static std::string refusal(const std::string& name, const NamedBy& by) {
    try {
      (void)find_path(name, by);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "found";
  }
  TemporaryFolder folder_;
  fs::path before_;
};

TEST_F(Paths, BesideTheFileThatNamesThemThenWhereTheCommandRuns) {
  make("x.csv");
  EXPECT_EQ(find_path("x.csv", {"sub/s.yaml"}), "x.csv");
  make("sub/x.csv");
  EXPECT_EQ(find_path("x.csv", {"sub/s.yaml"}), "sub/x.csv");
  EXPECT_EQ(find_path("x.csv", {}), "x.csv");
  const std::string whole = (folder_.path() / "x.csv").string();
  EXPECT_EQ(find_path(whole, {"sub/s.yaml"}), whole);
}

TEST_F(Paths, OfTheCommandLineStartWhereItRuns) {
  make("sub/x.csv");
  EXPECT_EQ(find_path("x.csv", {"sub/s.yaml", true}), "sub/x.csv");
  make("x.csv");
  EXPECT_EQ(find_path("x.csv", {"sub/s.yaml", true}), "x.csv");
  const Config c = Config::from_text("{given: x.csv, set: y.csv}", "sub/s.yaml", {{"set", "x.csv"}});
  EXPECT_EQ(read<DataFile>(c.at("given")).path, "sub/x.csv");
  EXPECT_EQ(read<DataFile>(c.at("set")).path, "x.csv");
}

TEST_F(Paths, AFileThatIsNotThereNamesWhereItWasLookedFor) {
  EXPECT_EQ(refusal("x.csv", {"sub/s.yaml"}), "x.csv: no such file; looked in sub, the working folder");
  EXPECT_EQ(refusal("x.csv", {"sub/s.yaml", true}), "x.csv: no such file; looked in the working folder, sub");
  EXPECT_EQ(refusal("x.csv", {"s.yaml"}), "x.csv: no such file; looked in the working folder");
  EXPECT_EQ(refusal("/nowhere/x.csv", {"s.yaml"}), "/nowhere/x.csv: no such file");
}

TEST_F(Paths, EntriesOfACatalogueAreFoundInItsSubFolderToo) {
  const NamedBy by{"sub/s.yaml"};
  make("sub/hardware/mine.yaml");
  EXPECT_EQ(catalogue_file("hardware", "mine", "gpu", by), "sub/hardware/mine.yaml");
  make("sub/mine.yaml");
  EXPECT_EQ(catalogue_file("hardware", "mine", "gpu", by), "sub/mine.yaml");
  make("mine.yaml");
  EXPECT_EQ(catalogue_file("hardware", "mine.yaml", "gpu", by), "sub/mine.yaml");
  EXPECT_EQ(catalogue_file("hardware", "mine.yaml", "gpu"), "mine.yaml");
  EXPECT_EQ(catalogue_file("hardware", "mine.yaml", "gpu", {"sub/s.yaml", true}), "mine.yaml");
  EXPECT_TRUE(catalogue_file("hardware", "h800", "gpu", by).ends_with("hardware/h800.yaml"));
}
}  // namespace
}  // namespace moesim::core
