// The main of every test program: gives the process a temporary folder of its own, so that tests that run side by side
// never meet.  It is the working folder, $TMPDIR and testing::TempDir(), and is gone when the tests end, also when they
// fail; of tests that run one after the other in it, each finds it as the first did.  With MOESIM_KEEP_TMP set it stays
// and is named; a crash leaves it for whoever looks for the reason.
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "support/temporary_folder.h"

namespace {
namespace fs = std::filesystem;

/// Takes away what a test left in the folder.  What its suite set up before it stays.
class Tidy : public testing::EmptyTestEventListener {
 public:
  explicit Tidy(fs::path folder) : folder_(std::move(folder)) {}
  void OnTestStart(const testing::TestInfo&) override {
    fs::current_path(folder_);
    before_ = names();
  }
  void OnTestEnd(const testing::TestInfo&) override {
    if (moesim::keep_temporary_files()) return;
    std::error_code ignored;
    for (const fs::path& name : names())
      if (!before_.contains(name)) fs::remove_all(name, ignored);
  }

 private:
  std::set<fs::path> names() const {
    std::set<fs::path> out;
    for (const auto& entry : fs::directory_iterator(folder_)) out.insert(entry.path());
    return out;
  }

  fs::path folder_;
  std::set<fs::path> before_;
};
}  // namespace

int main(int argc, char** argv) {
  const fs::path started_in = fs::current_path();
  const fs::path folder = fs::canonical(moesim::new_folder(fs::temp_directory_path()));
  for (const char* name : {"TMPDIR", "TEST_TMPDIR"}) setenv(name, folder.c_str(), 1);  // gtest reads the second
  testing::InitGoogleTest(&argc, argv);  // after the variables, since it makes the parameters of parametrised tests;
  fs::current_path(folder);              // before this, since --gtest_output is relative to where the user stands
  testing::UnitTest::GetInstance()->listeners().Append(new Tidy(folder));  // gtest's from here on
  const int status = RUN_ALL_TESTS();
  fs::current_path(started_in);
  std::error_code ignored;
  if (moesim::keep_temporary_files())
    std::fprintf(stderr, "kept %s\n", folder.c_str());
  else
    fs::remove_all(folder, ignored);
  return status;
}
