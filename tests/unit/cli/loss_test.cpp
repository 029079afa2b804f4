#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/program.h"

namespace moesim::cli {
namespace {
TEST(Loss, ComparesPrecisionsAndSaysWhatIsWrong) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("a.txt")) << "Experts choose tokens.";
  const std::string input = "--model mixtral-8x7b --synthetic --text a.txt ";
  const Printed loss = moesim_prints("loss " + input + "--precision bf16 --compare fp32 --json", folder);
  ASSERT_EQ(loss.exit_code, 0) << loss.err;
  const auto json = nlohmann::json::parse(loss.out);
  EXPECT_EQ(json["tokens"], 22);
  EXPECT_EQ(json["change"]["layers"].size(), 32U);
  EXPECT_EQ(json["losses"].size(), 2U);

  EXPECT_EQ(moesim_prints("loss " + input + "--precision fp9", folder).err,
            "--precision: no precision is called \"fp9\"; did you mean \"fp8\"?\n");
  EXPECT_EQ(moesim_prints("record " + input + "--tokenizer t.json -o t.db", folder).err, "t.json: no such file\n");
  EXPECT_EQ(moesim_prints("loss --model mixtral-8x7b --text a.txt", folder).exit_code, 2);
}

TEST(Loss, ARecordingSaysLossesWhereTheyAreAskedFor) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("a.txt")) << "Experts choose tokens.";
  const std::string input = "record --model mixtral-8x7b --synthetic --text a.txt --json -o ";
  const Printed plain = moesim_prints(input + "plain.db", folder),
                with_losses = moesim_prints(input + "losses.db --losses", folder);
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  ASSERT_EQ(with_losses.exit_code, 0) << with_losses.err;
  EXPECT_FALSE(nlohmann::json::parse(plain.out).contains("evaluation"));
  EXPECT_EQ(nlohmann::json::parse(with_losses.out)["evaluation"]["losses"].size(), 1U);
}

TEST(Loss, HoldsGatesAgainstEachOther) {
  const TemporaryFolder folder;
  std::ofstream text(folder.file("a.txt"));
  for (int i = 0; i < 12; ++i) text << "Experts choose tokens. Tokens choose experts, " << i << ".\n";
  text.close();
  const std::string input = "--model mixtral-8x7b --synthetic --text a.txt ";
  const Printed loss =
      moesim_prints("loss " + input + "--gate '{kind: capacity, factor: 1}' --compare-gate published --json", folder);
  ASSERT_EQ(loss.exit_code, 0) << loss.err;
  const auto json = nlohmann::json::parse(loss.out);
  EXPECT_EQ(json["losses"][0]["gate"], "{kind: capacity, factor: 1}");
  EXPECT_GT(json["losses"][0]["balance"][3]["dropped"], 0);
  EXPECT_EQ(json["losses"][1]["balance"][3]["dropped"], 0);
  EXPECT_NE(json["losses"][0]["next_token"], json["losses"][1]["next_token"]);
  EXPECT_EQ(json["change"]["from"], "fp32");
  EXPECT_EQ(json["change"]["to"], "fp32 kind: capacity, factor: 1");

  // the trace of that gate shows what it did to the load
  ASSERT_EQ(moesim_prints("record " + input + "--gate '{kind: capacity, factor: 1}' -o c.db", folder).exit_code, 0);
  ASSERT_EQ(moesim_prints("record " + input + "-o p.db", folder).exit_code, 0);
  EXPECT_NE(moesim_prints("trace stats c.db", folder).out, moesim_prints("trace stats p.db", folder).out);
  EXPECT_EQ(moesim_prints("loss " + input + "--gate capcity", folder).err,
            "--gate: no gate is called \"capcity\"; did you mean \"capacity\"?\n");
}
}  // namespace
}  // namespace moesim::cli
