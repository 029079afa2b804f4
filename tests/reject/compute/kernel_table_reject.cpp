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
}  // namespace
}  // namespace moesim::compute
