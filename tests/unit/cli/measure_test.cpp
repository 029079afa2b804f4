// hardware/measure.py, tried without a GPU: `moesim calibrate` reads what it writes.
#include <gtest/gtest.h>

#include <cstdlib>

#include "formats/json.h"
#include "support/places.h"
#include "support/program.h"

namespace moesim::cli {
namespace {
const std::string kPython = "/usr/bin/python3 ";

int shell(const std::string& command) { return std::system((command + " > /dev/null 2>&1").c_str()); }

TEST(Measure, WritesTablesThatCalibrateReads) {
  if (shell(kPython + "-c 'import torch'") != 0) GTEST_SKIP() << "PyTorch (python3-torch) is not installed";
  const TemporaryFolder folder;
  const std::string script =
      kPython + test::source_dir() + "/hardware/measure.py " + (folder.path() / "tables").string();
  ASSERT_EQ(shell(script + " --gpu h100 --device cpu --quick --repeats 1"), 0);
  EXPECT_NE(shell(script + " --gpu h100 --device cpu --quick"), 0) << "tables that are there were written over";
  const Printed printed = moesim_prints("calibrate tables --no-fit --json", folder);
  ASSERT_EQ(printed.exit_code, 0) << printed.err;
  std::int64_t products = 0, attention = 0;
  for (const formats::Json& kind : formats::Json::parse(printed.out))
    (kind.at("kind") == "product" ? products : attention) += kind.at("rows").get<std::int64_t>();
  EXPECT_EQ(products, 4);
  EXPECT_EQ(attention, 4);
}
}  // namespace
}  // namespace moesim::cli
