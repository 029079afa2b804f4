// moesim place as a user types it.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/program.h"

namespace moesim::cli {
namespace {
using Json = nlohmann::json;

class PlaceVerb : public testing::Test {
 protected:
  PlaceVerb() {  // the loads of EPLB's README, after a dense layer
    std::ofstream(folder.file("loads.json"))
        << R"({"logical_count": [[0,0,0,0,0,0,0,0,0,0,0,0], [90,132,40,61,104,165,39,4,73,56,183,86],
               [20,107,104,64,19,197,187,157,172,86,16,27]]})";
  }
  std::string content(const std::string& name) {
    std::ifstream in(folder.file(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  TemporaryFolder folder;
};
const std::string kExample = "place --loads loads.json --strategy eplb --gpus 8 --nodes 2 --slots 16 --groups 4 ";

TEST_F(PlaceVerb, PrintsThePlacementInEplbsOwnOrder) {
  const Printed p = moesim_prints(kExample + "--format json", folder);
  ASSERT_EQ(p.exit_code, 0) << p.err;
  const Json json = Json::parse(p.out);
  EXPECT_EQ(json.at("slots_per_gpu"), 2);
  EXPECT_EQ(json.at("layers").at("1").at("slots"), Json({5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1}));
  EXPECT_EQ(json.at("layers").at("2").at("slots"), Json({7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1}));
  EXPECT_FALSE(json.at("layers").contains("0"));
}

TEST_F(PlaceVerb, ComparesFilesInTheLayersThatAllHaveAndSaysWhichLackSome) {
  std::ofstream(folder.file("less.json"))
      << R"({"logical_count": [[0,0,0,0,0,0,0,0,0,0,0,0], [9,13,4,6,10,16,3,1,7,5,18,8],
             [0,0,0,0,0,0,0,0,0,0,0,0]]})";
  for (const char* how : {"loads.json less.json", "less.json --eval loads.json", "loads.json less.json --together"}) {
    const Printed p = moesim_prints(
        std::string("place ") + how + " --strategy eplb,robust --gpus 4 --nodes 1 --slots 16 --json", folder);
    ASSERT_EQ(p.exit_code, 0) << p.err;
    EXPECT_NE((p.out + p.err).find("less: has no load in layer 2: plans and figures are of the 1 layer that all have"),
              std::string::npos)
        << how << p.out << p.err;
  }
}

TEST_F(PlaceVerb, PrintsOneTableAndNamesWhatItSkips) {
  const Printed p = moesim_prints(kExample, folder);
  ASSERT_EQ(p.exit_code, 0) << p.err;
  EXPECT_NE(p.out.find("skipped, no load: 0"), std::string::npos) << p.out;
  EXPECT_NE(p.out.find("0.8164"), std::string::npos) << p.out;  // mean of 1/1.208 and 1/1.242
  EXPECT_EQ(moesim_prints(kExample, folder).out, p.out);
}

TEST_F(PlaceVerb, GivesScriptsThePlanTime) {
  const Json json = Json::parse(moesim_prints(kExample + "--json", folder).out);
  EXPECT_GT(json.at("plan_time").get<double>(), 0);
  EXPECT_NEAR(json.at("balancedness").get<double>(), 0.8164, 0.0001);
  EXPECT_EQ(json.at("skipped_layers"), Json({0}));
}

TEST_F(PlaceVerb, WritesWhatItReadsBackAsThePlacementInForce) {
  for (const std::string& format : {std::string("json"), std::string("csv"), std::string("sglang"),
                                    std::string("tensorrt-llm"), std::string("vllm-ascend")}) {
    const Printed written = moesim_prints(kExample + "--format " + format + " -o out." + format, folder);
    ASSERT_EQ(written.exit_code, 0) << written.err;
    const Json json = Json::parse(moesim_prints(kExample + "--json --from out." + format, folder).out);
    EXPECT_EQ(json.at("strategies").at(0).at("moves"), 0) << format;
  }
  EXPECT_EQ(content("out.sglang").substr(0, 28), "{\"physical_to_logical_map\":[");
  EXPECT_EQ(content("out.tensorrt-llm").substr(0, 14), "num_slots: 16\n");
}

TEST_F(PlaceVerb, WritesAResultsDatabase) {
  const Printed p = moesim_prints(kExample + "-o result.db", folder);
  ASSERT_EQ(p.exit_code, 0) << p.err;
  EXPECT_EQ(content("result.db").substr(0, 15), "SQLite format 3");
}

TEST_F(PlaceVerb, TakesParametersOfStrategies) {
  const Printed p = moesim_prints(
      "place --loads loads.json --strategy local_search --set local_search.start=eplb_global "
      "--gpus 8 --slots 16 --layers",
      folder);
  EXPECT_EQ(p.exit_code, 0) << p.err;
}

TEST_F(PlaceVerb, TakesWordsAsTheyAreTyped) {
  std::ofstream(folder.file("other.json"))
      << R"({"logical_count": [[0,0,0,0,0,0,0,0,0,0,0,0], [9,13,4,6,10,16,3,90,7,5,18,8],
             [20,10,10,64,19,197,18,15,17,86,160,27]]})";
  const auto plans = [&](const std::string& arguments) {
    const Printed p = moesim_prints("place " + arguments + " --gpus 4 --json", folder);
    EXPECT_EQ(p.exit_code, 0) << arguments << ": " << p.err;
    return p.exit_code == 0 ? Json::parse(p.out).at("strategies").size() : 0;
  };
  EXPECT_EQ(plans("loads.json other.json --strategy eplb robust --slots 12 16"),
            16u);  // 2 x 2 strategies, slots: 2 x 2
  EXPECT_EQ(plans("--loads loads.json other.json --strategy eplb,robust --slots 12,16"), 16u);
  EXPECT_EQ(plans("--strategy robust loads.json other.json --slots 16"), 4u);
  EXPECT_EQ(plans("loads.json --slots 16"), 3u);  // contiguous, eplb, robust
  EXPECT_EQ(plans("loads.json other.json --together --strategy robust --slots 16 --eval other.json"), 1u);
}

TEST_F(PlaceVerb, SaysInOneLineWhatIsWrong) {
  const auto error = [&](const std::string& arguments) {
    const Printed p = moesim_prints("place " + arguments, folder);
    EXPECT_EQ(p.exit_code, 2) << arguments;
    EXPECT_EQ(p.out, "") << arguments;
    return p.err;
  };
  const std::string loads = "--loads loads.json --gpus 8 --nodes 2 ";
  EXPECT_EQ(error("--loads no.json --strategy eplb --gpus 8"), "no.json: no such file\n");
  EXPECT_EQ(error(loads + "--strategy gredy"),
            "--strategy: kind: no placement is called \"gredy\"; did you mean \"greedy\"?\n");
  EXPECT_EQ(error(loads + "--strategy greedy --slots 11"), "--slots: must hold the 12 experts, got 11\n");
  EXPECT_EQ(error(loads + "--strategy greedy --set eplb.x=1"), "--set eplb.x: \"eplb\" is not among the strategies\n");
  EXPECT_EQ(error("--strategy greedy --gpus 8"), "place: give --trace or --loads\n");
  EXPECT_EQ(error(loads + "--strategy affinity"),
            "--strategy: affinity: needs a trace (--trace): loads alone do not say which experts are used together\n");
  EXPECT_EQ(error(loads + "--strategy eplb_hierarchical --slots 16 --groups 3"),
            "--strategy: groups must be a multiple of the 2 nodes, got 3\n");
  ASSERT_EQ(moesim_prints(kExample + "-o plan.json", folder).exit_code, 0);
  const std::string instead =
      "; give it to moesim place as --from plan.json, or to a scenario as placement: {file: plan.json}\n";
  EXPECT_EQ(error("--loads plan.json --strategy eplb --gpus 8"), "plan.json: is a placement, not counts" + instead);
  EXPECT_EQ(moesim_prints("trace import plan.json", folder).err,
            "plan.json: is a placement, not recorded routing" + instead);
  EXPECT_EQ(error(loads + "--strategy eplb --slots 16 --format vllm"),
            "--format: vLLM itself reads no placement, it plans its own while it runs; vllm-ascend is its plugin's\n");
  EXPECT_EQ(error(loads + "--strategy eplb --slots 16 --together"),
            "--together: makes one plan of several workloads, and there is one\n");
  EXPECT_EQ(error(loads + "--strategy eplb --slots 16 --windows-a-plan 2"),
            "--windows-a-plan: windows follow each other where --window-minutes says how far apart\n");
  EXPECT_EQ(error(loads + "--strategy eplb --slots 16 --window-minutes 10"),
            "--window-minutes: needs more windows than the 1 that a plan is made from, got 1\n");
  EXPECT_EQ(error(loads + "--strategy eplb --slots 16 --model deepseek-v3"),
            "loads: has 12 experts, but deepseek-v3 has 256\n");
  EXPECT_EQ(error(loads + "--strategy eplb --slots 16 --keep-places"),
            "--keep-places: needs the placement in force, --from\n");
}
}  // namespace
}  // namespace moesim::cli
