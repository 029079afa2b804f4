// Whatever stands in a results database's columns, a page is made of it or it is refused in a line; nothing in it
// reaches the page as markup.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <random>

#include "core/config_error.h"
#include "pages/report.h"
#include "results/results.h"
#include "support/rounds.h"
#include "support/temporary_folder.h"

namespace moesim::pages {
namespace {
using Random = std::mt19937_64;

/// A value of a column: as it should be, of another type, missing, or none that arithmetic likes.
std::string value_of(Random& random, const std::vector<std::string>& words) {
  switch (random() % 10) {
    case 0:
      return "NULL";
    case 1:
      return "9e999";
    case 2:
      return "-1";
    case 3:
      return fmt::format("{}e{}", random() % 100, int(random() % 600) - 300);
    case 4:
      return "'<script>x</script>'";
    case 5:
    case 6:
      return fmt::format("'{}'", words[random() % words.size()]);
    default:
      return fmt::format("{}", random() % 6);
  }
}

const std::vector<std::string> kWords = {"run",
                                         "pool:a",
                                         "pool:b",
                                         "phase:decode",
                                         "phase:prefill",
                                         "stage:0",
                                         "stage:1",
                                         "layer:3",
                                         "pool:a,layer:3",
                                         "pool:a,layer:4",
                                         "placement:x:8",
                                         "placement:y:8:p:q",
                                         "step_time",
                                         "bubble_time",
                                         "balancedness",
                                         "forward",
                                         "overlapped",
                                         "bubble",
                                         "weights",
                                         "kv_cache",
                                         "ttft",
                                         "tpot",
                                         "kv_occupancy",
                                         "running",
                                         "limit_experts",
                                         "experts_time",
                                         "chosen",
                                         "front",
                                         "meets",
                                         "pruned",
                                         "check",
                                         "decode",
                                         "prefill",
                                         "decode_balancedness",
                                         "compute_time",
                                         "exposed_communication_time",
                                         "run_days",
                                         "kernel_error_p90",
                                         "fault:0,gpu",
                                         "rebalances",
                                         "memory_in_use",
                                         "misses",
                                         "gpu",
                                         "node",
                                         "step 3"};

void fill(results::Database& db, Random& random) {
  for (const results::TableDefinition& t : results::tables()) {
    if (t.table == results::Table::run || (t.table == results::Table::sweep && random() % 8 != 0)) continue;
    for (std::size_t rows = random() % 40; rows > 0; --rows) {
      std::string values;
      for (const results::Column& c : t.columns)
        values += (values.empty() ? "" : ",") + (c.name == "run" ? "1" : value_of(random, kWords));
      db.exec(fmt::format("INSERT INTO {} VALUES ({})", t.name, values));
    }
  }
  // Figures that pages ask for, so that they come past the refusals.
  for (const char* scope : {"run", "pool:a", "phase:decode"})
    for (const std::string& word : kWords)
      if (random() % 2 == 0)
        db.exec(
            fmt::format("INSERT INTO metric VALUES (1, '{}', {}, 's', '{}')", word, value_of(random, kWords), scope));
}

TEST(DatabaseLaw, EveryDatabaseGivesAPageOrARefusal) {
  const TemporaryFolder folder;
  std::size_t pages = 0;
  for (unsigned seed = 0; seed < unsigned(test::rounds(36)); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::string study =
        std::vector<std::string>{"training", "serving", "place", "passes", "size", "validate"}[seed % 6];
    const std::string file = folder.file(fmt::format("{}.db", seed));
    {
      results::Results r(file, {"<script>t</script>", study, "a.yaml", "<script>s</script>", "", 1});
      r.add(results::Table::memory, {"stage:0", "weights", 1});
      r.finish({}, "serving.slo.ttft: 1 s\nserving.faults[0].at: 3 s\ncluster.node.gpu.memory: 80 GB\n");
    }
    results::Database db = results::Database::open_existing(file);
    db.exec("PRAGMA synchronous = OFF; BEGIN");
    fill(db, random);
    db.exec("COMMIT");
    db.close();
    try {
      const std::string page = report_page(file);
      const std::string body = page.substr(page.find("<body>"), page.rfind("<script>") - page.find("<body>"));
      EXPECT_EQ(body.find("<script"), std::string::npos);
      EXPECT_LT(page.size(), 5'000'000u);
      ++pages;
    } catch (const ConfigError& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    }
  }
  EXPECT_GT(pages, unsigned(test::rounds(15)));  // refusals alone would prove nothing
}
}  // namespace
}  // namespace moesim::pages
