// moesim trace fit, as a user runs it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/program.h"
#include "support/temporary_folder.h"

namespace moesim::cli {
namespace {
/// Counts of 6 layers of 4 groups of 8 experts: groups fall with their number to the power 1/2, experts of a group
/// alternate by the factor e.
std::string counts(double factor) {
  std::string out;
  for (int l = 0; l < 6; ++l)
    for (int e = 0; e < 32; ++e)
      out += fmt::format("{:.4f}{}", factor * 1e4 / std::sqrt(e / 8 + 1.0) * (e % 2 == 0 ? std::exp(1.0) : 1),
                         e == 31 ? "\n" : ",");
  return out;
}

TEST(TraceFit, PrintsParametersFiguresAndASectionThatTheLawTakes) {
  TemporaryFolder folder;
  folder.write("a.csv", counts(1));
  folder.write("b.csv", counts(7));  // more tokens, the same loads
  const auto printed = moesim_prints("trace fit a.csv b.csv --groups 4 --gpus 8 --nodes 2 --top-k 4 --seeds 2", folder);
  EXPECT_EQ(printed.exit_code, 0) << printed.err;
  const auto has = [&](const std::string& text) { return printed.out.find(text) != std::string::npos; };
  EXPECT_TRUE(has("6 MoE layers of 32 experts in 4 groups; GPUs: 8, nodes: 2")) << printed.out;
  EXPECT_TRUE(has("slope: 0.500, slope_varies: 0.000")) << printed.out;
  EXPECT_TRUE(has("the law, seed 2")) << printed.out;
  EXPECT_TRUE(has("1.000  1.000")) << printed.out;  // the two are alike
  EXPECT_TRUE(has("routing: {kind: grouped, spread: ")) << printed.out;
}

TEST(List, ThePlacementFamilyComesWithTheKeysOfItsSection) {
  const TemporaryFolder folder;
  const std::string out = moesim_prints("list placement", folder).out;
  for (const char* key : {"eplb_hierarchical: ", "keys of the section `placement`", "planned_on ", "phase "})
    EXPECT_NE(out.find(key), std::string::npos) << key << " is not in " << out;
}

TEST(TraceFit, WhatCannotBeFittedIsRefused) {
  TemporaryFolder folder;
  folder.write("a.csv", counts(1));
  folder.write("b.csv", "1,2,3\n4,5,6\n");
  const auto refused = [&](const std::string& arguments) {
    const auto printed = moesim_prints("trace fit " + arguments, folder);
    EXPECT_EQ(printed.exit_code, 2);
    return printed.err;
  };
  EXPECT_EQ(refused("a.csv --groups 5 --gpus 8 --nodes 2"), "--groups: a.csv: 32 experts are not 5 equal blocks\n");
  EXPECT_EQ(
      refused("a.csv --groups 2 --gpus 8 --nodes 2"),
      "a.csv: a fit needs 2 layers and groups of 2 experts, and 3 groups unless there are none; got 6 layers and 2 "
      "groups of 16\n");
  EXPECT_EQ(refused("a.csv b.csv --groups 1 --gpus 1 --nodes 1"), "b.csv: has other layers or experts than a.csv\n");
}
}  // namespace
}  // namespace moesim::cli
