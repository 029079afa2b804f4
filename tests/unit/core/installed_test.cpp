#include "core/installed.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/temporary_folder.h"

namespace moesim::core {
namespace {
namespace fs = std::filesystem;

TEST(InstalledData, AreBesideWhatWasInstalledWhereverThatWasMoved) {
  const TemporaryFolder prefix;
  const std::string program = prefix.file("bin/moesim"),
                    module = prefix.file("lib/python3/dist-packages/moesim/_moesim.so");
  EXPECT_EQ(data_beside(program), "");  // no data there
  fs::create_directories(prefix.path() / "share" / "moesim" / "models");
  EXPECT_EQ(data_beside(program), prefix.file("share/moesim"));
  EXPECT_EQ(data_beside(module), prefix.file("share/moesim"));
  EXPECT_EQ(data_beside(prefix.file("build/moesim")), "");
  EXPECT_EQ(data_beside(prefix.file("lib/python3/moesim/_moesim.so")), "");
  EXPECT_EQ(data_beside(""), "");
}

TEST(InstalledData, ABuildHasNone) { EXPECT_EQ(installed_data(), ""); }
}  // namespace
}  // namespace moesim::core
