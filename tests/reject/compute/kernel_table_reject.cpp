// Tables of measured kernels with rows that cannot be: the exact message, one line, with file and line.
#include <gtest/gtest.h>

#include "compute/fitting/tables.h"
#include "support/table_refusal.h"

namespace moesim::compute {
namespace {
TEST(Calibrate, RowsOfAFolderThatCannotBe) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& name, const std::string& text) {
    return test::table_refusal(folder, name, text, read_kernel_table);
  };
  const std::string products = "gpu,library,kernel,precision,m,n,k,time_us\n";
  EXPECT_EQ(error("gemm_x.csv", "gpu,kernel,precision,m,n,k,time_us\n"),
            "gemm_x.csv:1: missing column \"library\"; there are: gpu, kernel, precision, m, n, k, time_us");
  EXPECT_EQ(error("gemm_x.csv", products + "h100,x,y,int8,1,64,64,9\n"),
            "gemm_x.csv:2: precision: expected bfloat16, fp8_block, fp8 or nvfp4, got \"int8\"");
  EXPECT_EQ(error("gemm_x.csv", products + "h100,x,y,bfloat16,1,64,64,0\n"),
            "gemm_x.csv:2: time_us: expected a time above 0");
  EXPECT_EQ(error("gemm_x.csv", products + "a100,x,y,fp8,1,64,64,9\n"), "gemm_x.csv:2: a100 has no fp8 arithmetic");
  EXPECT_EQ(error("gemm_x.csv", products + "h100,x,y,bfloat16,8192,8192,8192,1000\n"),
            "gemm_x.csv:2: 8192 x 8192 x 8192: 1100 TFLOP/s is above the bf16 peak of h100, 989");
  // Half a gigabyte of weights in 5 us, of which twice the 50 MB of L2 need not cross the memory's pins.
  EXPECT_EQ(error("gemm_x.csv", products + "h100,x,y,bfloat16,1,16384,16384,5\n"),
            "gemm_x.csv:2: 1 x 16384 x 16384: 87.4 TB/s is above the memory bandwidth of h100, 3.35");
  EXPECT_EQ(error("gemm_x.csv", products + "h100,x,y,bfloat16,1,64,64,9\nh100,x,y,bfloat16,1,64,64,12\n"),
            "gemm_x.csv:3: 1 x 64 x 64: an earlier row gives 9 us, this one 12 us");
  EXPECT_NE(error("gemm_x.csv", products + "z100,x,y,bfloat16,1,64,64,9\n").find("gemm_x.csv:2: gpu: "),
            std::string::npos);
  EXPECT_EQ(error("attention_prefill_x.csv",
                  "gpu,library,kernel,batch,new_tokens,cached_tokens,heads,kv_heads,head_dim,window,compute,kv_cache,"
                  "time_us\nh100,x,fa3,1,8,0,8,16,128,0,bfloat16,bfloat16,9\n"),
            "attention_prefill_x.csv:2: kv_heads: expected 1 to 8, got 16");
  const std::string layers = "gpu,library,kernel,precision,tokens,hidden,width,top_k,experts,tp,ep,load,time_us\n";
  EXPECT_EQ(error("moe_layer_x.csv", layers + "a100,x,y_trtllm,bfloat16,64,4096,1024,2,8,1,1,balanced,300\n"),
            "moe_layer_x.csv:2: kernel: \"y_trtllm\": no products of trtllm on a100");
  EXPECT_EQ(error("other.csv", products), "other.csv: the name begins as no kind of table");
}

TEST(Calibrate, RowsOfModulesAndScansThatCannotBe) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& name, const std::string& text) {
    return test::table_refusal(folder, name, text, read_kernel_table);
  };
  const std::string modules =
      "gpu,library,path,model,part,batch,new_tokens,cached_tokens,heads,weights,kv_cache,time_us\n";
  const std::string start = modules + "h100,sglang 1,x,";
  EXPECT_EQ(error("dsa_x.csv", "gpu,path\nh100,x\n"), "dsa_x.csv:1: missing column \"library\"; there are: gpu, path");
  EXPECT_EQ(error("msa_decode_x.csv", start + "GLM-5,msa,1,1,99,8,bfloat16,bfloat16,30\n"),
            "msa_decode_x.csv:2: part: no layer of GLM-5 is msa");
  EXPECT_EQ(error("dsa_x.csv", start + "GLM-5,all,1,1,99,8,bfloat16,bfloat16,30\n"),
            "dsa_x.csv:2: part: expected dsa, dsa_skip_indexer, csa, hca, msa or mla, got \"all\"");
  EXPECT_EQ(error("dsa_x.csv", start + "GLM-5,dsa,1,1,99,7,bfloat16,bfloat16,30\n"),
            "dsa_x.csv:2: heads: must divide the 64 of GLM-5, got 7");
  EXPECT_EQ(error("dsa_x.csv", start + "GLM-5,dsa,1,1,99,8,int8,bfloat16,30\n"),
            "dsa_x.csv:2: weights: expected bfloat16, fp8_block or nvfp4, got \"int8\"");
  EXPECT_EQ(error("dsa_x.csv", start + "GLM-5,dsa,1,1,99,8,bfloat16,bfloat16,0\n"),
            "dsa_x.csv:2: time_us: expected a time above 0");
  EXPECT_EQ(error("dsa_x.csv", start + "GLM-5,dsa,1,many,99,8,bfloat16,bfloat16,30\n"),
            "dsa_x.csv:2: new_tokens: expected an integer, got \"many\"");
  const std::string delta = "gpu,library,kernel,phase,batch,seq,k_heads,v_heads,k_dim,v_dim,time_us\n";
  EXPECT_EQ(error("gdn_x.csv", delta + "h100,mine,x,prefill,1,64,2,8,128,128,30\n"),
            "gdn_x.csv:2: library: expected a name that begins with sglang, vllm or trtllm, got \"mine\"");
  EXPECT_EQ(error("kda_x.csv", delta + "h100,vllm,x,training,1,64,2,8,128,128,30\n"),
            "kda_x.csv:2: phase: expected prefill, decode or verify, got \"training\"");
  EXPECT_EQ(error("sparse_kernels_x.csv",
                  "gpu,library,kernel,batch,new_tokens,cached_tokens,heads,scores,time_us\nh100,x,y,1,1,1,64,,3\n"),
            "sparse_kernels_x.csv:2: kernel: expected dsa_indexer_scores, dsa_topk, dsa_sparse_mla, "
            "csa_indexer_scores, csa_topk or hca_attention, got \"y\"");
  EXPECT_EQ(error("mhc_x.csv", "gpu,library,op,tokens,streams,hidden,sites,time_us\nh100,x,mid,1,4,64,2,3\n"),
            "mhc_x.csv:2: op: expected pre or post, got \"mid\"");
}
}  // namespace
}  // namespace moesim::compute
