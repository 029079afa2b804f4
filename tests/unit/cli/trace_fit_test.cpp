// moesim trace fit, as a user runs it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "routing/trace.h"
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
  EXPECT_TRUE(has("a and b     1.000")) << printed.out;  // the two are alike
  EXPECT_TRUE(has("steady: 1.000, layers_steady: 1.000")) << printed.out;
  EXPECT_EQ(printed.out.find("-0.000"), std::string::npos) << printed.out;
  EXPECT_TRUE(has("routing: {kind: grouped, spread: ")) << printed.out;
}

TEST(TraceFit, GroupsAreThoseThatAreAskedFor) {
  TemporaryFolder folder;
  folder.write("a.csv", counts(1));
  for (const char* groups : {"1", "4", "8"}) {
    const auto printed =
        moesim_prints(fmt::format("trace fit a.csv --groups {} --gpus 8 --nodes 2 --seeds 1", groups), folder);
    EXPECT_NE(printed.out.find(fmt::format("in {} groups", groups)), std::string::npos) << printed.out << printed.err;
  }
}

TEST(TraceFit, SaysHowLoadsMoveWhereItIsToldPhases) {
  TemporaryFolder folder;
  for (const char* name : {"p0", "p1", "d0"}) {  // p1 is p0 at another time, d0 of the other phase
    std::string text;
    for (int l = 0; l < 6; ++l)
      for (int e = 0; e < 32; ++e) {
        const double own = std::sin(7.0 * e + l), moves = std::cos(5.0 * e * e + 3 * l);
        const double part = name[0] == 'd' ? 1 : name[1] == '1' ? 0.2 : 0;
        text += fmt::format("{:.4f}{}", 1e4 * std::exp(own + part * moves), e == 31 ? "\n" : ",");
      }
    folder.write(std::string(name) + ".csv", text);
  }
  const std::string files = "trace fit p0.csv p1.csv d0.csv --groups 4 --gpus 8 --nodes 2 --seeds 1";
  const std::string blind = moesim_prints(files, folder).out;
  EXPECT_NE(blind.find("p0 and p1 taken as one text at two moments"), std::string::npos) << blind;
  EXPECT_NE(blind.find(", steady: 0.9"), std::string::npos) << blind;
  EXPECT_EQ(blind.find("phases_alike: 0"), std::string::npos) << blind;
  const std::string told = moesim_prints(files + " --phase prefill,prefill,decode", folder).out;
  EXPECT_NE(told.find(", phases_alike: 0."), std::string::npos) << told;
  EXPECT_EQ(moesim_prints(files + " --phase prefill", folder).err, "--phase: 1 phase for 3 recordings\n");
}

/// Six layers of 20,000 tokens of one choice among 32 experts, in four groups, the first `prompts` of them prefill; the
/// experts' shares are those of SaysHowLoadsMoveWhereItIsToldPhases.
void write_moment(const std::string& file, double part, int prompts) {
  constexpr int kTokens = 20'000;
  routing::TraceHeader header;
  header.source = "a test", header.layers = {0, 1, 2, 3, 4, 5};
  header.experts = 32, header.top_k = 1, header.groups = 4, header.groups_used = 2;
  std::vector<routing::TraceToken> tokens;
  for (int t = 0; t < kTokens; ++t)
    tokens.push_back(
        {t < prompts ? 0 : 1, 0, t, t, t < prompts ? routing::TracePhase::prefill : routing::TracePhase::decode, 0});
  std::vector<std::int16_t> experts;
  for (int l = 0; l < 6; ++l) {
    std::vector<double> upto = {0};
    for (int e = 0; e < 32; ++e)
      upto.push_back(upto.back() + std::exp(std::sin(7.0 * e + l) + part * std::cos(5.0 * e * e + 3 * l)));
    for (int t = 0, e = 0; t < kTokens; ++t) {
      while (upto[std::size_t(e) + 1] < upto.back() * t / kTokens) ++e;
      experts.push_back(std::int16_t(e));
    }
  }
  routing::TraceWriter writer(file, header);
  writer.add(tokens, experts);
  writer.finish();
}

// Traces say their groups, and their phases where each is of one.
TEST(TraceFit, TracesSayTheirGroupsAndPhases) {
  TemporaryFolder folder;
  write_moment(folder.file("p0.db"), 0, 20'000);
  write_moment(folder.file("p1.db"), 0.2, 20'000);
  write_moment(folder.file("d0.db"), 1, 0);
  write_moment(folder.file("both.db"), 1, 10'000);
  const std::string end = " --gpus 8 --nodes 2 --seeds 1";
  const Printed told = moesim_prints("trace fit p0.db p1.db d0.db" + end, folder);
  EXPECT_NE(told.out.find("6 MoE layers of 32 experts in 4 groups"), std::string::npos) << told.out << told.err;
  EXPECT_NE(told.out.find(", phases_alike: 0."), std::string::npos) << told.out;
  const Printed mixed = moesim_prints("trace fit p0.db p1.db both.db" + end, folder);
  EXPECT_NE(mixed.out.find("p0 and p1 taken as one text at two moments"), std::string::npos) << mixed.out << mixed.err;
  EXPECT_EQ(mixed.out.find("phases_alike: 0"), std::string::npos) << mixed.out;
}

TEST(TraceImport, PointsOutASingleRankAndExpertsThatNothingChose) {
  TemporaryFolder folder;
  const auto said = [&](int experts_with_load) {
    std::string rows;
    for (int l = 0; l < 3; ++l)
      for (int e = 0; e < 32; ++e)
        rows += fmt::format("{}{}", e < experts_with_load ? 400 + e + l : 0, e == 31 ? "\n" : ",");
    folder.write("counts.csv", rows);
    const auto printed = moesim_prints("trace import counts.csv --top-k 2 -o out.db", folder);
    EXPECT_EQ(printed.exit_code, 0) << printed.err;
    std::filesystem::remove(folder.file("out.db"));
    return printed.err;
  };
  EXPECT_NE(said(4).find("only experts 0 to 3 of 32 have load"), std::string::npos);
  EXPECT_NE(said(30).find("nothing chose 6 experts in 3 layers; first in layer 0: experts 30, 31"), std::string::npos);
  EXPECT_EQ(said(32), "");
}

TEST(TraceFit, PointsOutCountsOfASingleRank) {
  TemporaryFolder folder;
  std::string rows;
  for (int l = 0; l < 3; ++l)
    for (int e = 0; e < 32; ++e) rows += fmt::format("{}{}", e < 4 ? 100 * (e + 1) + l : 0, e == 31 ? "\n" : ",");
  folder.write("rank.csv", rows);
  const auto printed = moesim_prints("trace fit rank.csv --groups 1 --gpus 8 --nodes 2 --seeds 1", folder);
  EXPECT_NE(printed.err.find("only experts 0 to 3 of 32 have load"), std::string::npos) << printed.err;
}

TEST(List, ThePlacementFamilyComesWithTheKeysOfItsSection) {
  const TemporaryFolder folder;
  const std::string out = moesim_prints("list placement", folder).out;
  for (const char* key : {"eplb_hierarchical: ", "keys of the section `placement`", "planned_on ", "phase "})
    EXPECT_NE(out.find(key), std::string::npos) << key << " is not in " << out;
}

TEST(List, TheTrafficFamilyComesWithTheLawsThatGatesHaveByDefault) {
  const TemporaryFolder folder;
  const std::string out = moesim_prints("list traffic", folder).out;
  EXPECT_NE(out.find("serving without the section `routing`, by the model's gate"), std::string::npos) << out;
  EXPECT_NE(out.find("(Mixtral, gpt-oss, OLMoE, DeepSeekMoE, Llama 4)"), std::string::npos) << out;
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
  EXPECT_EQ(refused("a.csv b.csv --groups 1 --gpus 1 --nodes 1"), "b.csv: has 3 experts, but a.csv has 32\n");
}
}  // namespace
}  // namespace moesim::cli
