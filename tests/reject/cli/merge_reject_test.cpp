// Shards of different kinds are told apart by name.
#include <gtest/gtest.h>

#include "results/results.h"
#include "support/program.h"

namespace moesim::cli {
namespace {
void put_shard(const std::string& file, const std::string& study) {
  results::Results out(file, {"t", study, "file", "text", "", 1});
  out.finish({"complete", 0, 1, {}, 0}, "");
}

TEST(MergeReject, NamesAPlansShardAndWhatIsNone) {
  const TemporaryFolder folder;
  put_shard(folder.file("plan.db"), "size");
  put_shard(folder.file("other.db"), "training");
  for (const char* order : {"plan.db other.db", "other.db plan.db", "plan.db plan.db other.db"}) {
    const Printed printed = moesim_prints(std::string("merge -o all.db ") + order, folder);
    EXPECT_EQ(printed.exit_code, 2) << order;
    EXPECT_NE(
        printed.err.find("plan.db is of a plan and other.db is not: shards of plans and of sweeps are merged apart"),
        std::string::npos)
        << printed.err;
  }
}
}  // namespace
}  // namespace moesim::cli
