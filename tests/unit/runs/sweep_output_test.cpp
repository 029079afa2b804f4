#include "runs/sweeping/sweep_output.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace moesim::runs {
namespace {
Point point(const std::string& value) {
  Point out;
  out.values = {value};
  out.problem = "of no matter";
  return out;
}
const char* const kStored = "SELECT group_concat(point) FROM (SELECT point FROM sweep_point ORDER BY rowid)";

TEST(SweepOutput, StoresEachPointAsItIsDoneAndPutsAllInOrderAtTheEnd) {
  const TemporaryFolder folder;
  const std::string file = folder.file("sweep.db");
  SweepOutput out(file, {.text = "t", .scenario = "s", .axes = {"a"}, .points = 3, .file = ""}, {0, 1, 2});
  Point first = point("1"), second = point("2"), third = point("3");
  out.add(2, third);
  EXPECT_EQ(results::Database::open(file).value(kStored), "2") << "though the first one is not done";
  out.add(0, first);
  EXPECT_EQ(results::Database::open(file).value(kStored), "2,0");
  out.add(1, second);
  out.finish();
  EXPECT_EQ(results::Database::open(file).value(kStored), "0,1,2");
}
}  // namespace
}  // namespace moesim::runs
