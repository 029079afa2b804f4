#include "cli/show.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spec/catalogue.h"
#include "spec/claims.h"
#include "support/command.h"
#include "support/text.h"

namespace moesim::cli {
namespace {
using Json = nlohmann::json;

using test::has;

TEST(Show, OneModelCarriesItsExactTotals) {
  const std::string text = run_command({"show", "deepseek-v3"});
  for (const char* part : {"671,026,419,200", "37,552,297,472", "36,625,618,432", "11,610,068,224", "13,463,426,304",
                           "684,531,386,000", "70,272 B", "656 B a layer", "250 GFLOP", "281 GFLOP"})
    EXPECT_TRUE(has(text, part)) << part << " is not in\n" << text;
}

TEST(Show, JsonHasTheSameFigures) {
  const Json v3 = Json::parse(run_command({"show", "deepseek-v3", "--json"}));
  EXPECT_EQ(v3.at("parameters").at("total"), 671'026'419'200);
  EXPECT_EQ(v3.at("parameters").at("active_without_embedding"), 36'625'618'432);
  EXPECT_EQ(v3.at("kv_bytes_per_token").at("bf16"), 70'272);
  EXPECT_EQ(v3.at("kv_bytes_per_token").at("fp8_mla"), 61 * 656);
  EXPECT_EQ(v3.at("flops_per_token").at("training_causal"), 250'456'015'872.0);
  EXPECT_EQ(v3.at("weight_bytes").at("released_files"), 688'574'839'360);
}

TEST(Show, SeveralModelsAtTheContextAsked) {
  const Json all =
      Json::parse(run_command({"show", "deepseek-v2", "mixtral-8x7b", "qwen2.5-max", "--context", "128000", "--json"}));
  const Json& v2 = all.at("models").at(0).at("one_user");
  EXPECT_EQ(v2.at("kv_bytes"), 69'120LL * 128'000);
  EXPECT_EQ(v2.at("users_per_gpu"), 9);  // 80 GB / 8.85 GB
  EXPECT_EQ(v2.at("with").at("MHA").at("kv_bytes"), 60LL * 128 * 2 * 128 * 2 * 128'000);
  EXPECT_EQ(v2.at("with").at("GQA").at("kv_bytes"), 60LL * 8 * 2 * 128 * 2 * 128'000);
  EXPECT_EQ(all.at("models").at(1).at("gpus_for_weights").at("bf16"), 2);  // 93.4 GB on 80 GB each
  EXPECT_EQ(all.at("models").at(1).at("gpus_for_weights").at("fp8"), 1);
  EXPECT_TRUE(all.at("models").at(2).contains("unpublished"));
  EXPECT_FALSE(all.at("models").at(2).contains("parameters"));
  const std::string text = run_command({"show", "deepseek-v2", "mixtral-8x7b", "--context", "128000"});
  EXPECT_TRUE(has(text, "503 GB")) << text;
  EXPECT_TRUE(has(text, "31.5 GB")) << text;
  EXPECT_TRUE(has(text, "8.85 GB")) << text;
}

TEST(Show, WhatIsNotPublishedIsSaidNotInvented) {
  for (const char* name : {"gpt-4", "qwen2.5-max"}) {
    const std::string text = run_command({"show", name});
    EXPECT_TRUE(has(text, "not published")) << text;
    EXPECT_FALSE(has(text, "total")) << text;
  }
}

TEST(Show, HardwareInSiUnits) {
  const Json gpu = Json::parse(run_command({"show", "h800", "--json"}));
  EXPECT_EQ(gpu.at("memory"), 81'559LL << 20);
  EXPECT_EQ(gpu.at("nvlink"), 200e9);
  const Json cluster = Json::parse(run_command({"show", "h800-32", "--json"}));
  EXPECT_EQ(cluster.at("gpus"), 32);
  EXPECT_EQ(cluster.at("total").at("price_per_hour"), 64);
  EXPECT_EQ(cluster.at("fabric").at("same_leaf_latency"), 2.8e-6);
  // 8 rails of 4 nodes: 8 leaves with 4 cables up, and one spine for all 32.
  EXPECT_EQ(cluster.at("topology").at("leaf_switches"), 8);
  EXPECT_EQ(cluster.at("topology").at("spine_switches"), 1);
  EXPECT_EQ(cluster.at("topology").at("switch_cables"), 32);
  EXPECT_TRUE(has(run_command({"show", "h800-32"}), "8 leaf, 1 spine, 0 core"));
  EXPECT_TRUE(has(run_command({"show", "h800-32", "--draw", "dot"}), "leaf7 -- spine0"));
  EXPECT_TRUE(has(run_command({"show", "h800-32", "--draw", "svg"}), "<title>leaf7>spine0"));
  EXPECT_TRUE(has(run_command({"show", "h800", "b200"}), "NVIDIA B200"));
}

TEST(Show, CollectivesOfAClusterByEveryAlgorithm) {
  const Json all = Json::parse(run_command({"show", "h800-32", "--collectives", "--json"})).at("collectives");
  const auto takes = [&](const std::string& what, const std::string& algorithm, int gpus) {
    for (const Json& one : all)
      if (one.at("collective") == what && one.at("algorithm") == algorithm && one.at("gpus") == gpus)
        return one.at("seconds").at("1000000000").get<double>();
    return -1.0;
  };
  EXPECT_GT(takes("all_reduce", "ring", 8), 1e9 * 2 * 7 / 8 / 200e9);
  EXPECT_GT(takes("all_reduce", "tree", 32), takes("all_reduce", "best", 32));
  EXPECT_GT(takes("all_gather", "hierarchical", 32), 0);
  EXPECT_GT(takes("point_to_point", "direct", 2), 1e9 / 200e9);
  EXPECT_EQ(takes("all_reduce", "hierarchical", 8), -1) << "a node has no levels";
  EXPECT_EQ(takes("all_reduce", "in_switch", 32), -1) << "the NVSwitch adds up inside a node only";
  EXPECT_TRUE(has(run_command({"show", "h800-32", "--collectives"}), "in_switch"));
}

TEST(Show, SeveralContextsMakeOneTableOfCaches) {
  const std::string text =
      run_command({"show", "deepseek-v3", "deepseek-v3.2", "deepseek-v4-pro", "--context", "4096,1048576"});
  for (const char* part : {"673 GB", "674 GB", "at 1,048,576", "68.62 GiB", "9.62 GiB", "4.91 GiB", "48,068 B",
                           "runs       as model: deepseek-v3", "runs       as model: deepseek-v4-pro"})
    EXPECT_TRUE(has(text, part)) << part << " is not in\n" << text;
  const Json all = Json::parse(run_command({"show", "step-3.7-flash", "mixtral-8x7b", "--json"}));
  EXPECT_EQ(all.at("models").at(0).at("parameters").at("total"), 196'956'130'368);
  EXPECT_EQ(all.at("models").at(1).at("parameters").at("total"), 46'702'792'704);
}

TEST(Show, EveryClaimIsHeldAgainstItsFigures) {
  const std::vector<spec::Claim> claims = spec::popular_claims();
  EXPECT_GE(claims.size(), 33u);
  for (const spec::Claim& c : claims) EXPECT_EQ(c.holds, c.about == "DeepSeek-V4-Pro") << c.claim;
  const std::string text = run_command({"show", "--claims"});
  // The cache of V2 at 128,000 tokens; V2's cut; V3's utilisation; Mixtral's size.
  for (const char* part :
       {"503 / 31.5 / 8.85 GB, ratios 57 : 3.6 : 1", "82.2 %", "39 % of the BF16 peak", "46.70 B", "464 calls",
        "684.53 B", "1.9 times fewer", "48068 B a token where V3's FP8 cache has 40016", "13.4 times fewer",
        "4.6 times fewer", "4.93 of 46.9 as its kernels store it (11 %)",
        "as much as their keys and values of 1048 tokens", "386 GB of 1342 in BF16 (3.5 times fewer)",
        "27.3 times in list price of input", "save 42.5 %"})
    EXPECT_TRUE(has(text, part)) << part << " is not in\n" << text;
  EXPECT_EQ(Json::parse(run_command({"show", "--claims", "--json"})).at("claims").size(), claims.size());
}

TEST(Show, WrongCommandsSayWhatToWrite) {
  EXPECT_EQ(run_command({"show", "deepseek-v33"}),
            "no model or hardware is called \"deepseek-v33\"; did you mean \"deepseek-v3\"?");
  EXPECT_EQ(run_command({"show", "h8000"}), "no model or hardware is called \"h8000\"; did you mean \"h800\"?");
  EXPECT_EQ(run_command({"show", "zzzzzzzzzzzz"}),
            "no model or hardware is called \"zzzzzzzzzzzz\"; moesim list shows all");
  EXPECT_EQ(run_command({"show", "deepseek-v3", "h800"}),
            "deepseek-v3 is a model and h800 is hardware: show one or the other");
  EXPECT_EQ(run_command({"show", "h800", "--collectives"}), "--collectives: h800 is a gpu, not a cluster");
  EXPECT_EQ(run_command({"show", "deepseek-v3", "--draw", "dot"}), "--draw: deepseek-v3 is a model, not a cluster");
  EXPECT_EQ(run_command({"show", "h800-32", "--collectives", "--draw", "dot"}),
            "show --draw and --collectives do not go together");
  EXPECT_EQ(run_command({"show"}), "show needs a name (see moesim list) or --claims");
  EXPECT_EQ(run_command({"show", "deepseek-v3", "--kv-dtype", "fp9"}),
            "--kv-dtype: \"fp9\" is not known; did you mean \"fp8\"?");
  EXPECT_EQ(run_command({"show", "deepseek-v3", "--context", "0"}),
            "--context: expected 1 to 1000000000 tokens, got 0");
  EXPECT_EQ(run_command({"show", "a", "deepseek-v3", "--gpu", "h8000"}).substr(0, 30),
            "no model or hardware is called");
  EXPECT_EQ(run_command({"show", "mixtral-8x7b", "deepseek-v3", "--gpu", "h8000"}),
            "no gpu is called \"h8000\"; did you mean \"h800\"?");
}

TEST(List, EverythingInGroupsAndAsJson) {
  const std::string text = run_command({"list"});
  for (const char* part : {"deepseek-v3 ", "h800 ", "roofline", "models\n", "hardware\n", "scenarios\n"})
    EXPECT_TRUE(has(text, part)) << part;
  const Json all = Json::parse(run_command({"list", "--json"}));
  EXPECT_GE(all.at("models").size(), 35u);
  EXPECT_EQ(Json::parse(run_command({"list", "hardware", "--json"})).at("hardware").at(0).at("type"), "gpu");
  EXPECT_TRUE(has(run_command({"list", "kernels"}), "launch"));
  EXPECT_EQ(run_command({"list", "modles"}), "nothing called \"modles\" can be listed; did you mean \"models\"?");
}
}  // namespace
}  // namespace moesim::cli
