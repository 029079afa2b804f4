// The commands that start a deployment, word by word: one wrong option and nothing starts.
#include <gtest/gtest.h>

#include "sizing/launch.h"
#include "spec/catalogue.h"

namespace moesim::sizing {
namespace {
using serving::OverlapKind;
using serving::Role;

class Launch : public testing::Test {
 protected:
  Launch() {
    node_.node.gpus = 8, node_.node.gpu.generation = "hopper";
    node_.node.gpu.nvlink = {450e9}, node_.node.pcie = {64e9};
    plan_.model = spec::load_model("deepseek-v3");
    plan_.load.input = 2000;
  }
  std::string text(const std::string& engine, std::vector<PoolDesign> pools) const {
    return launch_text(plan_, {&node_, engine, pools, std::vector<int>(pools.size(), 1)});
  }
  static PoolDesign unit(Role role, int data, OverlapKind overlap) {
    return {.role = role, .tensor = 1, .data = data, .slots = 288, .batch = 256, .tokens = 16384, .overlap = overlap};
  }
  PricedNode node_;
  Plan plan_;
};

TEST_F(Launch, StartsLargeUnitsOfSglangWithTheirPlacementAndARouter) {
  plan_.kv_text = "{memory_share: 0.835}";
  EXPECT_EQ(
      text("sglang",
           {unit(Role::prefill, 32, OverlapKind::two_batch), unit(Role::decode, 72, OverlapKind::five_stage)}),
      "# 1 of these, on 32 GPUs each (4 nodes: once a node, RANK its number among them from 0, HEAD the address of the "
      "first)\n"
      "# which experts where: from loads recorded on your traffic (moesim trace import)\n"
      "moesim place --trace RECORDED.db --strategy eplb --gpus 32 --nodes 4 --slots 288 --format sglang -o "
      "prefill.placement.json\n"
      "# on nodes 0 to 3:\n"
      "python -m sglang.launch_server --host 0.0.0.0 --model-path deepseek-ai/DeepSeek-V3 --tp-size 32 "
      "--enable-dp-attention "
      "--dp-size 32 "
      "--moe-dense-tp-size 1 --enable-dp-lm-head --ep-size 32 --moe-a2a-backend deepep --deepep-mode normal "
      "--ep-num-redundant-experts 32 --init-expert-location prefill.placement.json --enable-two-batch-overlap "
      "--disaggregation-mode prefill --max-running-requests 8192 --chunked-prefill-size 524288 --mem-fraction-static "
      "0.835 --nnodes 4 --node-rank $RANK --dist-init-addr $HEAD:5000\n"
      "# 1 of these, on 72 GPUs each (9 nodes: once a node, RANK its number among them from 0, HEAD the address of the "
      "first)\n"
      "# which experts where: from loads recorded on your traffic (moesim trace import)\n"
      "moesim place --trace RECORDED.db --strategy eplb --gpus 72 --nodes 9 --slots 288 --format sglang -o "
      "decode.placement.json\n"
      "# overlap: two micro-batches, as the engine cuts them\n"
      "# on nodes 4 to 12:\n"
      "SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK=256 python -m sglang.launch_server --host 0.0.0.0 --model-path "
      "deepseek-ai/DeepSeek-V3 --tp-size 72 --enable-dp-attention --dp-size 72 --moe-dense-tp-size 1 "
      "--enable-dp-lm-head --ep-size 72 --moe-a2a-backend deepep --deepep-mode low_latency --ep-num-redundant-experts "
      "32 "
      "--init-expert-location decode.placement.json --enable-two-batch-overlap --disaggregation-mode decode "
      "--max-running-requests 18432 --cuda-graph-max-bs 256 --mem-fraction-static 0.835 --nnodes 9 --node-rank $RANK "
      "--dist-init-addr $HEAD:5000\n"
      "# in front, NODE0 the first node:\n"
      "python -m sglang_router.launch_router --host 0.0.0.0 --port 7999 --pd-disaggregation --prefill "
      "http://NODE0:30000 8998 --decode "
      "http://NODE4:30000\n"
      "# under Dynamo: python -m dynamo.frontend --router-mode kv in front, and python -m dynamo.sglang in place of "
      "python -m sglang.launch_server\n");
}

TEST_F(Launch, StartsOtherNodesOfVllmWithoutAServerOfTheirOwn) {
  PoolDesign d = unit(Role::both, 16, OverlapKind::none);
  d.slots = 256, d.batch = 64, d.tokens = 8192;
  EXPECT_EQ(
      text("vllm", {d}),
      "# 1 of these, on 16 GPUs each (2 nodes: once a node, RANK its number among them from 0, HEAD the address of the "
      "first)\n"
      "# which experts where: the engine plans it as it serves, it takes no file\n"
      "# on nodes 0 to 1:\n"
      "vllm serve deepseek-ai/DeepSeek-V3 --tensor-parallel-size 1 --data-parallel-size 16 --enable-expert-parallel "
      "--all2all-backend allgather_reducescatter --enable-eplb --eplb-config '{\"num_redundant_experts\": 0}' "
      "--max-num-seqs 64 --max-num-batched-tokens 8192 "
      "--data-parallel-size-local 8 --data-parallel-address $HEAD --data-parallel-rpc-port 13345 $([ $RANK -gt 0 ] "
      "&& echo --headless --data-parallel-start-rank $((RANK * 8)))\n"
      "# under Dynamo: python -m dynamo.frontend --router-mode kv in front, and python -m dynamo.vllm --model in "
      "place of vllm serve\n");
}

TEST_F(Launch, SaysWhatAnEngineHasNoOptionFor) {
  const std::string vllm = text("vllm", {unit(Role::decode, 16, OverlapKind::five_stage)});
  EXPECT_NE(vllm.find("it takes no file"), std::string::npos) << vllm;
  EXPECT_NE(vllm.find("# overlap: the engine has it for data parallelism with DeepEP's exchanges alone"),
            std::string::npos)
      << vllm;
  EXPECT_EQ(vllm.find("--enable-dbo"), std::string::npos) << vllm;
  EXPECT_EQ(vllm.find("deepep"), std::string::npos) << vllm;
  PoolDesign wide = unit(Role::both, 8, OverlapKind::two_batch);
  wide.tensor = 2;
  const std::string trtllm = text("trtllm", {wide});
  EXPECT_NE(trtllm.find("# 2 GPUs that share each rank's attention: no option"), std::string::npos) << trtllm;
  EXPECT_NE(trtllm.find("# no option for two micro-batches"), std::string::npos) << trtllm;
  wide.variant.drafts = "{kind: mtp}";
  EXPECT_NE(text("sglang", {wide}).find("# drafts: add the engine's own options"), std::string::npos);
}

/// Experts are placed by a strategy wherever they are exchanged, copies or none.
TEST_F(Launch, PlacesExpertsAsWasSimulatedWithoutCopiesToo) {
  PoolDesign d = unit(Role::both, 8, OverlapKind::none);
  d.slots = 256;
  const std::string sglang = text("sglang", {d});
  EXPECT_NE(sglang.find("--slots 256 --format sglang -o both.placement.json"), std::string::npos) << sglang;
  EXPECT_NE(sglang.find("--init-expert-location both.placement.json"), std::string::npos) << sglang;
  EXPECT_EQ(sglang.find("--ep-num-redundant-experts"), std::string::npos) << sglang;
  EXPECT_NE(text("trtllm", {d}).find("load_balancer: both.placement.json"), std::string::npos);
  d.data = 1, d.tensor = 8, d.experts_tensor = true;
  EXPECT_EQ(text("vllm", {d}).find("eplb"), std::string::npos);
}

/// Two pools of one node: GPUs 0 to 3 and 4 to 7.
TEST_F(Launch, TellsInstancesOfOneNodeApart) {
  PoolDesign prefill = unit(Role::prefill, 4, OverlapKind::none), decode = unit(Role::decode, 4, OverlapKind::none);
  prefill.slots = decode.slots = 256;
  const std::string sglang = text("sglang", {prefill, decode});
  for (const char* part :
       {"# on node 0:\n", " --base-gpu-id 0 --port 30000 --nccl-port 30245 --disaggregation-bootstrap-port 8998\n",
        " --base-gpu-id 4 --port 31000 --nccl-port 31245\n",
        " --prefill http://NODE0:30000 8998 --decode http://NODE0:31000\n"})
    EXPECT_NE(sglang.find(part), std::string::npos) << part << "\nin\n" << sglang;
  const std::string vllm = text("vllm", {prefill, decode});
  for (const char* part :
       {"CUDA_VISIBLE_DEVICES=0,1,2,3 VLLM_NIXL_SIDE_CHANNEL_PORT=5600 vllm serve ",
        "CUDA_VISIBLE_DEVICES=4,5,6,7 VLLM_NIXL_SIDE_CHANNEL_PORT=5604 vllm serve ",
        " --port 8004 --data-parallel-rpc-port 13349\n",
        "vllm-router --host 0.0.0.0 --port 7999 --policy power_of_two --vllm-pd-disaggregation --prefill "
        "http://NODE0:8000 --decode http://NODE0:8004\n"})
    EXPECT_NE(vllm.find(part), std::string::npos) << part << "\nin\n" << vllm;
  const std::string trtllm = text("trtllm", {prefill, decode});
  for (const char* part : {"CUDA_VISIBLE_DEVICES=4,5,6,7 trtllm-serve ", " --config decode.yaml --port 8004\n",
                           "urls: [\"NODE0:8000\"]", "urls: [\"NODE0:8004\"]"})
    EXPECT_NE(trtllm.find(part), std::string::npos) << part << "\nin\n" << trtllm;
}

/// DeepSeek-V3 is released in FP8, Mixtral in BF16.
TEST_F(Launch, MakesThePrecisionThatTheEngineCanMake) {
  PoolDesign d{.role = Role::both, .tensor = 8, .batch = 64, .tokens = 2048};
  d.variant.precision = "{linear: fp8, kv_cache: fp8}";
  EXPECT_EQ(text("vllm", {d}).find("--quantization"), std::string::npos) << "as released";
  EXPECT_NE(text("vllm", {d}).find(" --kv-cache-dtype fp8\n"), std::string::npos);
  plan_.model = spec::load_model("mixtral-8x7b");
  EXPECT_NE(text("vllm", {d}).find(" --quantization fp8_per_block --kv-cache-dtype fp8\n"), std::string::npos);
  EXPECT_NE(text("sglang", {d}).find(" --quantization fp8 --kv-cache-dtype fp8_e4m3\n"), std::string::npos);
  EXPECT_NE(text("trtllm", {d}).find("kv_cache_config: {dtype: fp8}\n"), std::string::npos);
  EXPECT_NE(text("trtllm", {d}).find("linear: give weights that are quantised so, the engine makes none"),
            std::string::npos);
  d.variant.precision = "{linear: fp4, attention: fp8}";
  EXPECT_NE(text("vllm", {d})
                .find("# precision {linear: fp4, attention: fp8}; linear: give weights that are released "
                      "so; attention core and dispatch: no option, the engine chooses\n"),
            std::string::npos)
      << text("vllm", {d});
}

/// Before Hopper DeepEP's kernels do not run: SGLang gathers tokens, as it does where nothing is asked for.
TEST_F(Launch, AsksForDeepEpWhereItRuns) {
  PoolDesign d = unit(Role::both, 8, OverlapKind::none);
  EXPECT_NE(text("sglang", {d}).find(" --ep-size 8 --moe-a2a-backend deepep --deepep-mode auto "), std::string::npos);
  node_.node.gpu.generation = "ampere";
  const std::string a100 = text("sglang", {d});
  EXPECT_EQ(a100.find(" --moe-a2a-backend"), std::string::npos) << a100;
  EXPECT_NE(a100.find(" --ep-size 8 --ep-num-redundant-experts 32"), std::string::npos) << a100;
  EXPECT_NE(a100.find("# tokens are gathered, as was simulated"), std::string::npos) << a100;
  EXPECT_NE(scenario_text(plan_, {&node_, "sglang", {d}, {1}}, {}).find(", exchange: all_gather"), std::string::npos);
  node_.node.gpu.generation = "hopper", node_.node.gpu.nvlink = node_.node.pcie;  // on PCIe cards
  EXPECT_EQ(text("sglang", {d}).find(" --moe-a2a-backend"), std::string::npos);
}

/// Stages over nodes: Ray starts them all from one command.
TEST_F(Launch, StartsStagesOfVllmOverNodesOnce) {
  PoolDesign d{.role = Role::both, .tensor = 8, .pipeline = 2, .experts_tensor = true, .slots = 256};
  const std::string vllm = text("vllm", {d});
  EXPECT_NE(
      vllm.find("# 1 of these, on 16 GPUs each (2 nodes: once, on the first of them, HEAD its address; before, ray "
                "start --head --port=6379 there, ray start --address=$HEAD:6379 on the others)\n"),
      std::string::npos)
      << vllm;
  EXPECT_NE(vllm.find(" --distributed-executor-backend ray\n"), std::string::npos) << vllm;
  EXPECT_EQ(vllm.find("$RANK"), std::string::npos) << vllm;
  EXPECT_NE(text("sglang", {d}).find(" --pp-size 2 "), std::string::npos);
  EXPECT_NE(text("sglang", {d}).find(" --nnodes 2 --node-rank $RANK"), std::string::npos);
}

/// Three instances of 8 GPUs fill three nodes, and something must share requests out.
TEST_F(Launch, PutsARouterInFrontOfSeveralInstances) {
  const PoolDesign d{.role = Role::both, .tensor = 8, .experts_tensor = true, .slots = 256};
  const auto three = [&](const std::string& engine) { return launch_text(plan_, {&node_, engine, {d}, {3}}); };
  EXPECT_NE(three("sglang").find("# on nodes 0 to 2:\n"), std::string::npos) << three("sglang");
  EXPECT_NE(
      three("sglang").find("python -m sglang_router.launch_router --host 0.0.0.0 --port 7999 --policy power_of_two "
                           "--worker-urls http://NODE0:30000 http://NODE1:30000 http://NODE2:30000\n"),
      std::string::npos)
      << three("sglang");
  EXPECT_NE(three("vllm").find("vllm-router --host 0.0.0.0 --port 7999 --policy power_of_two --worker-urls "
                               "http://NODE0:8000 http://NODE1:8000 http://NODE2:8000\n"),
            std::string::npos)
      << three("vllm");
  EXPECT_NE(three("trtllm").find("upstream instances { least_conn; server NODE0:8000; server NODE1:8000; server "
                                 "NODE2:8000; }"),
            std::string::npos)
      << three("trtllm");
  EXPECT_EQ(text("sglang", {d}).find("in front, NODE0"), std::string::npos) << "one needs none";
}

/// Two instances of 4 GPUs of each role on two nodes: one of each on either.
TEST_F(Launch, SpreadsARoleOverTheNodes) {
  PoolDesign prefill = unit(Role::prefill, 4, OverlapKind::none), decode = unit(Role::decode, 4, OverlapKind::none);
  const std::string out = launch_text(plan_, {&node_, "vllm", {prefill, decode}, {2, 2}});
  EXPECT_NE(
      out.find("# 2 of these, on 4 GPUs each\n# which experts where: the engine plans it as it serves, it takes no "
               "file\n# on nodes 0 to 1:\nCUDA_VISIBLE_DEVICES=0,1,2,3 VLLM_NIXL_SIDE_CHANNEL_HOST=$(hostname -i) "),
      std::string::npos)
      << out;
  EXPECT_NE(out.find("# on nodes 0 to 1:\nCUDA_VISIBLE_DEVICES=4,5,6,7 "), std::string::npos) << out;
}

TEST_F(Launch, WritesTheFilesOfTensorRtLlm) {
  const std::string out =
      text("trtllm", {unit(Role::prefill, 32, OverlapKind::none), unit(Role::decode, 32, OverlapKind::none)});
  for (const char* line :
       {"enable_attention_dp: true\n", "moe_config: {backend: WIDEEP, load_balancer: prefill.placement.json}\n",
        "cache_transceiver_config: {backend: DEFAULT, max_tokens_in_buffer: 8192}\n",
        "cuda_graph_config: {max_batch_size: 256, enable_padding: true}\n",
        "mpirun -n 32 -H $HOSTS trtllm-llmapi-launch trtllm-serve deepseek-ai/DeepSeek-V3 --host 0.0.0.0 --tp_size 32 "
        "--ep_size 32 "
        "--max_batch_size 256 --max_num_tokens 16384 --config decode.yaml\n",
        "trtllm-serve disaggregated -c disagg.yaml\n"})
    EXPECT_NE(out.find(line), std::string::npos) << line << "\nin\n" << out;
}

// Twice 3000 tokens, of requests that are cut to 4000.
TEST_F(Launch, LongerPromptsOfATrialStayWithinTheirMax) {
  plan_.workload = {{"kind", "poisson"}, {"rate", "1"}, {"input", ""}};
  plan_.input = {{"kind", "fixed"}, {"mean", "3000"}, {"max", "4000"}};
  Trial longer;
  longer.length = 2;
  const std::string scenario =
      scenario_text(plan_, {&node_, "sglang", {unit(Role::both, 8, OverlapKind::none)}, {1}}, longer);
  EXPECT_NE(scenario.find("input: {kind: fixed, mean: 4000, max: 4000}"), std::string::npos) << scenario;
}
}  // namespace
}  // namespace moesim::sizing
