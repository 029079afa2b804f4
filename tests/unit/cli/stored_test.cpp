// What verbs leave in databases for the pages of moesim report.
#include <gtest/gtest.h>

#include <fstream>

#include "results/store.h"
#include "support/program.h"

namespace moesim::cli {
namespace {
class Stored : public testing::Test {
 protected:
  std::string value(const char* database, const char* sql) const {
    return results::Database::open(folder_.file(database)).value(sql).value_or("");
  }
  Printed run(const std::string& arguments) const { return moesim_prints(arguments, folder_); }
  TemporaryFolder folder_;
};

TEST_F(Stored, PlaceSaysWhatItWasAskedAndWithWhat) {
  std::ofstream(folder_.file("loads.json"))
      << R"({"logical_count": [[9, 5, 3, 2, 1, 1, 1, 1], [1, 1, 1, 9, 5, 3, 2, 1]]})";
  for (const char* file : {"a.db", "b.db"}) {
    const Printed p =
        run(std::string("place loads.json --strategy contiguous,eplb --gpus 4 --nodes 2 --top-k 2 -o ") + file);
    ASSERT_EQ(p.exit_code, 0) << p.err;
  }
  EXPECT_EQ(value("a.db", "SELECT scenario FROM run"),
            "moesim place loads.json --strategy contiguous eplb --gpus 4 --nodes 2 --top-k 2 --output a.db");
  const std::string resolved = value("a.db", "SELECT resolved FROM run");
  for (const char* line :
       {"gpus: 4\n", "nodes: 2\n", "strategy: contiguous eplb\n", "prefill-tokens: 4096\n", "slots: not given\n"})
    EXPECT_NE(resolved.find(line), std::string::npos) << line << "in\n" << resolved;
  EXPECT_NE(value("a.db", "SELECT fingerprint FROM run"), "0000000000000000");
  EXPECT_EQ(value("a.db", "SELECT fingerprint FROM run"), value("b.db", "SELECT fingerprint FROM run"));
  EXPECT_EQ(value("a.db", "SELECT count(*) FROM gpu_traffic WHERE level = 'gpu'"), "32") << "before and after";
}

TEST_F(Stored, ValidateKeepsItsRows) {
  const Printed p = run("validate serve-deepseek-v3-profile-decode -o v.db");
  ASSERT_EQ(p.exit_code, 0) << p.err;
  EXPECT_EQ(value("v.db", "SELECT scenario FROM validation"), "serve-deepseek-v3-profile-decode");
  EXPECT_EQ(
      value("v.db", "SELECT count(*) FROM validation WHERE published > 0 AND simulated > 0 AND kernel_error_p90 > 0"),
      "1");
  EXPECT_EQ(run("validate serve-deepseek-v3-profile-decode -o v.db").exit_code, 2) << "it is there";
  EXPECT_EQ(run("report v.db").exit_code, 0);
}

TEST_F(Stored, APlanKeepsWhatFillsAGpuOfItsAnswer) {
  ASSERT_EQ(run("size size-mixtral-8x7b -o s.db").exit_code, 0);
  EXPECT_NE(value("s.db", "SELECT count(*) FROM memory WHERE scope LIKE 'pool:%' AND part = 'kv_cache'"), "0");
  EXPECT_NE(value("s.db", "SELECT count(*) FROM metric WHERE name LIKE 'limit\\_%' ESCAPE '\\'"), "0");
  EXPECT_NE(value("s.db", "SELECT resolved FROM run").find("\nanswer.cluster.node.gpu.memory: "), std::string::npos);
  EXPECT_NE(value("s.db", "SELECT fingerprint FROM run"), "0000000000000000");
}

TEST_F(Stored, ATimelineChoosesWhatItShows) {
  const Printed p =
      run("run train-deepseek-v3 --set model=deepseek-v2-lite --set cluster=h800-32 --set training.batch=64 --set "
          "training.sequence=1024 --set 'training.parallel={pipeline: 4, expert: 8, zero: 1}' --set 'expect=[]' --set "
          "'published=[]' -o t.db --timeline t.json --timeline-gpus 0");
  ASSERT_EQ(p.exit_code, 0) << p.err;
  EXPECT_NE(p.out.find("timeline in t.json ("), std::string::npos);
  EXPECT_EQ(p.err, "timeline: about 84.7 kB (770 spans)\n");  // said before it is made: 24,640 operations, 1 of 32 GPUs
  EXPECT_EQ(p.out.find("so that it opens"), std::string::npos) << "all of what was asked for fits";
  EXPECT_NE(value("t.db", "SELECT count(*) FROM series WHERE name = 'memory_in_use' AND scope = 'stage:3'"), "0");
  EXPECT_EQ(value("t.db",
                  "SELECT max(s.value) <= max(m.value) FROM series s, metric m WHERE s.name = 'memory_in_use' AND "
                  "m.name = 'peak_memory' AND m.scope = 'run'"),
            "1");
}
}  // namespace
}  // namespace moesim::cli
