#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/program.h"

namespace moesim {
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
  EXPECT_NE(moesim_prints("record " + input + "--tokenizer t.json -o t.db", folder).err.find("run first: python3"),
            std::string::npos);
  EXPECT_EQ(moesim_prints("loss --model mixtral-8x7b --text a.txt", folder).exit_code, 2);
}
}  // namespace
}  // namespace moesim
