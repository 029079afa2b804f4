// The main of every test program: gives the process a temporary folder of its own, so that tests that run side by side
// never meet.  It is the working folder, $TMPDIR and testing::TempDir(), and is gone when the tests end, also when they
// fail.  With MOESIM_KEEP_TMP set it stays and is named; a crash leaves it for whoever looks for the reason.
#include <gtest/gtest.h>

#include <cstdio>

#include "support/temporary_folder.h"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  const fs::path started_in = fs::current_path();
  const fs::path folder = fs::canonical(moesim::new_folder(fs::temp_directory_path()));
  for (const char* name : {"TMPDIR", "TEST_TMPDIR"}) setenv(name, folder.c_str(), 1);  // gtest reads the second
  testing::InitGoogleTest(&argc, argv);  // after the variables, since it makes the parameters of parametrised tests;
  fs::current_path(folder);              // before this, since --gtest_output is relative to where the user stands
  const int status = RUN_ALL_TESTS();
  fs::current_path(started_in);
  std::error_code ignored;
  if (moesim::keep_temporary_files())
    std::fprintf(stderr, "kept %s\n", folder.c_str());
  else
    fs::remove_all(folder, ignored);
  return status;
}
