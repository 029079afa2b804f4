// Tables of attention modules and of single kernels of newer layers: which kernels a row is held to, what is taken off
// its time, and which rows stay out.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "compute/kernels/equation_model.h"
#include "spec/catalogue.h"
#include "unit/compute/written_tables.h"

namespace moesim::compute::module_tables {
namespace {
constexpr const char* kModules =
    "gpu,library,path,model,part,batch,new_tokens,cached_tokens,heads,weights,kv_cache,time_us\n";
constexpr const char* kSingle = "gpu,library,kernel,batch,new_tokens,cached_tokens,heads,scores,time_us\n";
constexpr const char* kDelta = "gpu,library,kernel,phase,batch,seq,k_heads,v_heads,k_dim,v_dim,time_us\n";
using ModuleTables = WrittenTables;

template <class K>
int count(const Measurement& s) {
  return int(std::ranges::count_if(s.sequences.at(0), [](const Kernel& k) { return std::holds_alternative<K>(k); }));
}

// 2 sequences of 4096 keys, equal scores: 30 us in place of 10.  Where 2048 keys or fewer are all picked, and where a
// neighbour's picks are used, nothing is chosen.
TEST_F(ModuleTables, WhatEqualScoresCostIsTakenOff) {
  put_file(folder.file("sparse_kernels_mine.csv"),
           std::string(kSingle) +
               "h100,sglang 1,dsa_topk,2,1,4095,2048,flat,30\nh100,sglang 1,dsa_topk,2,1,4095,2048,top_last,10\n");
  const auto rows =
      read("dsa_decode_mine.csv", std::string(kModules) +
                                      "h100,sglang 1,indexer_x,DeepSeek-V3.2,dsa,2,1,4095,16,fp8_block,bfloat16,150\n"
                                      "h100,sglang 1,indexer_x,DeepSeek-V3.2,dsa,2,1,2047,16,fp8_block,bfloat16,150\n"
                                      "h100,sglang 1,skip_x,GLM-5.2,dsa_skip_indexer,2,1,4095,8,bfloat16,fp8,150\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_NEAR(rows[0].seconds, 130e-6, 1e-12);
  EXPECT_NEAR(rows[0].ties, 20e-6, 1e-12);
  EXPECT_NEAR(rows[1].seconds, 150e-6, 1e-12);
  EXPECT_EQ(count<IndexTopK>(rows[0]), 1);
  EXPECT_EQ(count<IndexTopK>(rows[2]), 0);
  EXPECT_EQ(rows[0].kind, "dsa module decode");
  EXPECT_EQ(rows[0].precision, "fp8/bf16");
  EXPECT_EQ(rows[2].precision, "bf16/fp8");
}

// A million scores and more cost by their number: 2 x 1 M are twice the 1 M of the nearest row.
TEST_F(ModuleTables, ManyEqualScoresCostByTheirNumber) {
  put_file(
      folder.file("sparse_kernels_mine.csv"),
      std::string(kSingle) +
          "h100,sglang 1,dsa_topk,1,1,1048575,2048,flat,50\nh100,sglang 1,dsa_topk,1,1,1048575,2048,top_last,20\n");
  const auto rows =
      read("dsa_decode_mine.csv",
           std::string(kModules) + "h100,sglang 1,indexer_x,DeepSeek-V3.2,dsa,2,1,1048575,16,fp8_block,bfloat16,900\n");
  EXPECT_NEAR(rows.at(0).ties, 60e-6, 1e-11);
}

TEST_F(ModuleTables, WhatDoesNotServeIsCountedByItsReason) {
  const KernelTable modules =
      table("dsa_x.csv", std::string(kModules) +
                             "h100,sglang 1,indexer_x,GLM-5,dsa,2,1,4095,128,fp8_block,bfloat16,150\n"
                             "h100,sglang 1,indexer_x,GLM-5,dsa,2,1,4095,64,fp8_block,bfloat16,150\n");
  EXPECT_EQ(modules.left_out, (std::map<std::string, std::size_t>{{"more heads than the model has", 1}}));
  // Without single kernels of that system nobody knows what to take off.
  ASSERT_EQ(modules.rows.size(), 1u);
  EXPECT_EQ(modules.rows[0].groups, std::vector<std::string>{"equal scores in it"});
  // 32 states of 64 heads of 128 x 128 in FP32 are 134 MB, over the L2's 50; 8 are 34 MB, and warm; one is small.
  const KernelTable scans = table("gdn_x.csv", fmt::format("{0}h100,vllm 1,fused_x,decode,32,1,16,64,128,128,200\n"
                                                           "h100,vllm 1,fused_x,decode,8,1,16,64,128,128,20\n"
                                                           "h100,vllm 1,fused_x,decode,1,1,2,8,128,128,5\n",
                                                           kDelta));
  EXPECT_EQ(scans.rows.size(), 2u);
  EXPECT_EQ(scans.left_out.size(), 1u);
  const KernelTable single = table("sparse_kernels_x.csv", std::string(kSingle) +
                                                               "h100,x,dsa_topk,2,1,4095,2048,flat,30\n"
                                                               "h100,x,csa_topk,2,1,8191,512,v1_top_last,10\n"
                                                               "h100,x,csa_topk,2,1,8191,512,v2_top_last,10\n");
  EXPECT_EQ(single.rows.size(), 1u);
  EXPECT_EQ(single.left_out.size(), 2u);
}

// Kernels are timed as a simulation does: SGLang's module begins at the query's latent, TensorRT-LLM's at its input.
TEST_F(ModuleTables, AModuleIsTheSumOfItsLayersKernels) {
  const auto rows =
      read("dsa_decode_x.csv", std::string(kModules) +
                                   "b200,sglang 1,indexer_x,DeepSeek-V3.2,dsa,4,1,1000,128,fp8_block,bfloat16,150\n"
                                   "b200,trtllm 1,default,DeepSeek-V3.2,dsa,4,1,1000,128,fp8_block,bfloat16,150\n");
  const auto model = make_calibrated("", true, spec::load_gpu("b200"));
  std::vector<double> sums;
  for (const Measurement& s : rows) {
    double sum = 0;
    for (const Kernel& k : s.sequences.at(0)) sum += seconds(model->cost(k).time);
    sums.push_back(sum);
  }
  std::size_t i = 0;
  for_each_in_force(rows, [&](const Measurement&, double time, bool host) {
    EXPECT_DOUBLE_EQ(time, sums.at(i++));
    EXPECT_FALSE(host);
  });
  EXPECT_EQ(rows[1].sequences[0].size(), rows[0].sequences[0].size() + 3);  // cast, q_a, kv_a
}

// A host that needs 1.43 ms is what a prompt of one token waits for.
TEST_F(ModuleTables, ShortPromptsWaitForTheirHost) {
  put_file(folder.file("sparse_kernels_mine.csv"),
           std::string(kSingle) +
               "h100,sglang 1,dsa_topk,1,64,4095,2048,flat,40\nh100,sglang 1,dsa_topk,1,64,4095,2048,top_last,10\n");
  const auto rows = read(
      "dsa_prefill_x.csv",
      std::string(kModules) + "h100,sglang 0.5.14,indexer_x,DeepSeek-V3.2,dsa,1,64,4095,128,fp8_block,bfloat16,1500\n");
  ASSERT_EQ(rows.size(), 1u);
  const std::vector<ClassResiduals> classes = residuals_in_force(rows);
  ASSERT_EQ(classes.size(), 1u);
  EXPECT_EQ(classes[0].group, "bound by the host");
  EXPECT_NEAR(classes[0].residuals.median, 1 - 1400.0 / 1470, 1e-9);  // 1430 us less the 30 that are taken off
}

// Three calls of one convolution, of 96 x 128 channels each; two sites of a layer.
TEST_F(ModuleTables, SeveralCallsOfARowAreSeveralKernels) {
  const auto convolutions =
      read("kda_x.csv", fmt::format("{}h100,sglang 1,causal_conv1d_fn_qkv3,prefill,1,64,96,96,128,128,30\n", kDelta));
  ASSERT_EQ(convolutions.at(0).sequences.at(0).size(), 3u);
  EXPECT_EQ(std::get<ShortConvolution>(convolutions[0].sequences[0][1]).channels, 96 * 128);
  const auto sites =
      read("mhc_x.csv", "gpu,library,op,tokens,streams,hidden,sites,time_us\nb200,sglang 1,post,16,4,7168,2,10\n");
  EXPECT_EQ(sites.at(0).sequences.at(0).size(), 2u);
  EXPECT_TRUE(std::get<StreamMix>(sites[0].sequences[0][0]).out);
}

// 2 images of 256 patches: every patch sees all, in two whole tiles of 128 a head.
TEST_F(ModuleTables, EncodersSeeAllKeys) {
  const auto rows = read("encoder_attention_x.csv",
                         "gpu,library,kernel,batch,seq,heads,head_dim,compute,time_us\n"
                         "h100,vllm 1,x_fa3,2,256,16,72,bfloat16,30\nb200,vllm 1,x_fa4,2,256,16,72,bfloat16,30\n");
  const auto& a = std::get<AttentionPrefill>(rows.at(0).sequences.at(0).at(0));
  EXPECT_EQ(a.work.pairs, 2.0 * 256 * 256);
  EXPECT_EQ(a.work.tiles, 4);
  EXPECT_EQ(a.work.edges, 0);
  EXPECT_EQ(a.heads.qk_dim, 96);  // the kernel that is there for 72 columns
  EXPECT_EQ(std::get<AttentionPrefill>(rows[1].sequences[0][0]).heads.qk_dim, 80);
}
}  // namespace
}  // namespace moesim::compute::module_tables
