// moesim place with its words in any order, given twice, or left to the cluster.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/program.h"

namespace moesim::cli {
namespace {
using Json = nlohmann::json;

class PlaceWords : public testing::Test {
 protected:
  PlaceWords() {
    std::ofstream(folder.file("d1.json")) << "[[90,132,40,61,104,165,39,4,73,56,183,86]]";
    std::ofstream(folder.file("d2.json")) << "[[20,107,104,64,19,197,187,157,172,86,16,27]]";
  }
  std::string prints(const std::string& arguments) {
    const Printed p = moesim_prints("place " + arguments, folder);
    EXPECT_EQ(p.exit_code, 0) << arguments << ": " << p.err;
    return p.out;
  }
  std::string refused(const std::string& arguments) {
    const Printed p = moesim_prints("place " + arguments, folder);
    EXPECT_EQ(p.exit_code, 2) << arguments;
    EXPECT_EQ(p.out, "") << arguments;
    return p.err;
  }
  std::size_t rows(const std::string& arguments) {
    const std::string out = prints(arguments + " --json");
    return out.empty() ? 0 : Json::parse(out).at("strategies").size();
  }
  TemporaryFolder folder;
};

TEST_F(PlaceWords, FilesAfterAListArePlannedFrom) {
  const std::string expected = prints("d1.json --gpus 4 --slots 16 --strategy eplb");
  EXPECT_EQ(prints("--gpus 4 --strategy eplb --slots 16 d1.json"), expected);
  EXPECT_EQ(prints("--gpus 4 --slots 16 --strategy eplb d1.json"), expected);
  EXPECT_EQ(rows("--gpus 4 --strategy eplb --slots 16,20 d1.json d2.json"), 8u);
  const std::string uneven = prints("d1.json --gpus 4 --strategy greedy --gpu-slots 5,5,3,3 --gpu-speed 1,1,0.5,2");
  EXPECT_EQ(prints("d1.json --gpus 4 --strategy greedy --gpu-slots 5 5 3 3 --gpu-speed 1 1 0.5 2"), uneven);
  EXPECT_EQ(prints("--gpus 4 --strategy greedy --gpu-slots 5 5 3 3 --gpu-speed 1 1 0.5 2 d1.json"), uneven);
}

TEST_F(PlaceWords, WhatIsNeitherNumberNorFileIsRefused) {
  const std::string start = "d1.json --gpus 4 --strategy greedy ";
  EXPECT_EQ(refused(start + "--slots 16 d3.json"),
            "--slots: expected a whole number from 1 to 1000000, got \"d3.json\"\n");
  EXPECT_EQ(refused(start + "--slots 0"), "--slots: expected a whole number from 1 to 1000000, got \"0\"\n");
  EXPECT_EQ(refused(start + "--gpu-slots 5 5 -3 3"),
            "--gpu-slots: expected a whole number from 0 to 1000000, got \"-3\"\n");
  EXPECT_EQ(refused(start + "--gpu-speed 1 1 1 x"), "--gpu-speed: expected a number above 0, got \"x\"\n");
  EXPECT_EQ(refused("--gpus 4 --eval d1.json d2.json"),
            "--eval: takes every file up to the next option, so that none is left to plan from; give that one first, "
            "or with --trace or --loads\n");
  EXPECT_EQ(refused("d1.json --strategy greedy"),
            "--gpus: is missing: give the GPUs of the expert-parallel group, or --cluster\n");
}

TEST_F(PlaceWords, WhatIsGivenTwiceIsTakenOnceAndSaid) {
  const std::string said = prints("d1.json d1.json --gpus 4 --slots 16 --strategy eplb");
  EXPECT_NE(said.find("d1 is given twice: taken once"), std::string::npos) << said;
  EXPECT_EQ(rows("d1.json d1.json --gpus 4 --slots 16 --strategy eplb"), 1u);
  std::ofstream(folder.file("copy.json")) << "[[90,132,40,61,104,165,39,4,73,56,183,86]]";
  EXPECT_NE(prints("d1.json copy.json --gpus 4 --strategy eplb").find("copy.json holds the same as d1.json"),
            std::string::npos);
  EXPECT_EQ(rows("d1.json --eval d2.json d2.json --gpus 4 --strategy eplb"), 1u);
  const std::string heavy = prints("d1.json d1.json d2.json --together --gpus 4 --strategy eplb");
  EXPECT_NE(heavy.find("d1 is put together more than once: it weighs as often"), std::string::npos) << heavy;
  EXPECT_EQ(refused("d1.json --gpus 4 --strategy eplb --slots 16 16"), "--slots: 16 is listed twice\n");
  EXPECT_EQ(refused("d1.json --gpus 4 --strategy eplb eplb"), "--strategy: eplb is listed twice\n");
}

TEST_F(PlaceWords, AWindowThatComesAgainIsSaidBesideTheMean) {
  const std::string start = "--gpus 4 --strategy eplb --window-minutes 5 ";
  const std::string said = prints(start + "d1.json d2.json d1.json");
  EXPECT_NE(said.find("window 3 (d1) repeats window 1: scored as 10 minutes later, it is what plans were made from"),
            std::string::npos)
      << said;
  EXPECT_EQ(prints(start + "d1.json d2.json").find("repeats window"), std::string::npos);
}

TEST_F(PlaceWords, TheClusterSaysHowManyGpusThereAre) {
  std::string row = "1";
  for (int e = 1; e < 256; ++e) row += "," + std::to_string(1 + e % 7);
  std::string rows_of_all = "[";
  for (int layer = 0; layer < 58; ++layer) rows_of_all += (layer > 0 ? ",[" : "[") + row + "]";
  std::ofstream(folder.file("v3.json")) << rows_of_all << "]";
  const std::string start = "v3.json --model deepseek-v3 --cluster h800-32 --strategy contiguous --json";
  const Json said = Json::parse(prints(start + " --gpus 32 --nodes 4")), left = Json::parse(prints(start));
  EXPECT_EQ(left.at("gpus"), 32);
  EXPECT_EQ(left.at("nodes"), 4);
  EXPECT_EQ(left.at("strategies").at(0).at("balancedness"), said.at("strategies").at(0).at("balancedness"));
  EXPECT_EQ(Json::parse(prints(start + " --gpus 16")).at("nodes"), 2);
  // What a model or trace says of its tokens is not said otherwise.
  EXPECT_EQ(refused("v3.json --model deepseek-v3 --gpus 32 --strategy contiguous --top-k 4"),
            "--top-k: deepseek-v3 says itself that a token chooses 8 experts, got 4\n");
  ASSERT_EQ(moesim_prints("trace import d1.json --top-k 2 -o t.db", folder).exit_code, 0);
  EXPECT_EQ(refused("t.db --gpus 4 --strategy contiguous --top-k 3"),
            "--top-k: t says itself that a token chooses 2 experts, got 3\n");
  EXPECT_EQ(rows("t.db --gpus 4 --strategy contiguous --top-k 2"), 1u);
}
}  // namespace
}  // namespace moesim::cli
