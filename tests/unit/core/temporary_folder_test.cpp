// What support/main.cpp promises every test.
#include "support/temporary_folder.h"

namespace moesim::core {
namespace {
namespace fs = std::filesystem;

class EveryTest : public testing::TestWithParam<std::string> {};

TEST_P(EveryTest, WritesInTheFolderOfItsProcess) {
  const fs::path own = fs::current_path();
  EXPECT_EQ(testing::TempDir(), own.string() + "/");
  EXPECT_EQ(fs::temp_directory_path(), own);
  EXPECT_EQ(GetParam(), testing::TempDir());
  EXPECT_TRUE(own.filename().string().starts_with("moesim.")) << own;
}
INSTANTIATE_TEST_SUITE_P(Parameters, EveryTest, testing::ValuesIn({testing::TempDir()}),
                         [](const auto&) { return std::string("KnowIt"); });

TEST(TemporaryFolder, IsEmptyOfNoKnownNameAndGoes) {
  fs::path gone;
  {
    const TemporaryFolder a, b;
    EXPECT_NE(a.path(), b.path());
    EXPECT_EQ(a.path().parent_path(), fs::current_path());
    EXPECT_TRUE(a.empty());
    EXPECT_EQ(a.write("x", "y"), a.file("x"));
    EXPECT_EQ(fs::file_size(a.path() / "x"), 1U);
    EXPECT_FALSE(a.empty());
    EXPECT_TRUE(b.empty());
    gone = a.path();
  }
  EXPECT_EQ(fs::exists(gone), keep_temporary_files());
}
}  // namespace
}  // namespace moesim::core
