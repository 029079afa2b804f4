#include "core/words.h"

#include <gtest/gtest.h>

namespace moesim::core {
namespace {
TEST(Counted, KnowsOneFromMany) {
  EXPECT_EQ(counted(1, "request"), "1 request");
  EXPECT_EQ(counted(0, "request"), "0 requests");
  EXPECT_EQ(counted(std::size_t{2}, "pass"), "2 passes");
}
}  // namespace
}  // namespace moesim::core
