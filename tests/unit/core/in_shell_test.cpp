#include "core/in_shell.h"

#include <gtest/gtest.h>

namespace moesim::core {
namespace {
TEST(InShell, QuotesOnlyWhatAShellWouldRead) {
  EXPECT_EQ(in_shell("size.growth=2"), "size.growth=2");
  EXPECT_EQ(in_shell("plans/r1.yaml"), "plans/r1.yaml");
  EXPECT_EQ(in_shell("a b"), "'a b'");
  EXPECT_EQ(in_shell("size.workload={kind: closed}"), "'size.workload={kind: closed}'");
  EXPECT_EQ(in_shell("it's"), "'it'\\''s'");
}
}  // namespace
}  // namespace moesim::core
