// Tables of collectives and exchanges with rows that cannot be: the exact message, one line, with file and line.
#include <gtest/gtest.h>

#include "network/fitting/tables.h"
#include "support/table_refusal.h"

namespace moesim::network {
namespace {
TEST(NetworkTables, RowsThatCannotBe) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& name, const std::string& text) {
    return test::table_refusal(folder, name, text, read_network_table);
  };
  const std::string nccl = "gpu,library,collective,dtype,gpus,elements,time_us\n";
  EXPECT_EQ(error("nccl_x.csv", "gpu,library,collective,dtype,gpus,elements\n"),
            "nccl_x.csv:1: missing column \"time_us\"; there are: gpu, library, collective, dtype, gpus, elements");
  EXPECT_EQ(error("nccl_x.csv", nccl + "h100,x,gather,half,8,512,9\n"),
            "nccl_x.csv:2: collective: expected all_gather, all_reduce, alltoall or reduce_scatter, got \"gather\"");
  EXPECT_EQ(error("nccl_x.csv", nccl + "h100,x,alltoall,float,8,512,9\n"),
            "nccl_x.csv:2: dtype: expected half or int8, got \"float\"");
  EXPECT_EQ(error("nccl_x.csv", nccl + "h100,x,alltoall,half,8,512,0\n"),
            "nccl_x.csv:2: time_us: expected a time above 0");
  EXPECT_EQ(error("nccl_x.csv", nccl + "h100,x,alltoall,half,9,512,9\n"), "nccl_x.csv:2: gpus: expected 2 to 8, got 9");
  EXPECT_EQ(error("nccl_x.csv", nccl + "h100,x,alltoall,half,8,500000000,1000\n"),
            "nccl_x.csv:2: all_to_all of 8, 1000000000 B: 875 GB/s is above the NVLink rate of h100, 450");
  EXPECT_EQ(error("nccl_x.csv", nccl + "h100,x,alltoall,half,8,512,9\nh100,x,alltoall,half,8,512,12\n"),
            "nccl_x.csv:3: all_to_all of 8, 1024 B: an earlier row gives 9 us, this one 12 us");
  EXPECT_NE(error("nccl_x.csv", nccl + "z100,x,alltoall,half,8,512,9\n").find("nccl_x.csv:2: gpu: "),
            std::string::npos);
  const std::string low = "gpu,library,nodes,hidden,tokens,top_k,experts,dispatch_us,combine_us\n";
  EXPECT_EQ(error("deepep_ll_x.csv", low + "h100,x,2,7168,128,8,256,90,19\n"),
            "deepep_ll_x.csv:2: 2 nodes, hidden 7168, 128 tokens, top 8 of 256: 386 GB/s is above the adapter rate of "
            "h100, 50");
  EXPECT_EQ(error("deepep_ll_x.csv", low + "h100,x,2,7168,128,8,200,90,190\n"),
            "deepep_ll_x.csv:2: experts: expected a multiple of 16 GPUs, got 200");
  EXPECT_EQ(error("deepep_ll_x.csv", low + "h100,x,1,7168,128,300,256,90,190\n"),
            "deepep_ll_x.csv:2: top_k: expected 1 to 256, got 300");
  const std::string engines = "gpu,library,mode,gpus,bytes,time_us\n";
  EXPECT_EQ(error("engine_allreduce_x.csv", engines + "h100,sglang 0.5,lazy,8,65536,9\n"),
            "engine_allreduce_x.csv:2: mode: expected one that ends with graph or eager, got \"lazy\"");
  EXPECT_EQ(error("engine_allreduce_x.csv", engines + "h100,lmdeploy 1,graph,8,65536,9\n"),
            "engine_allreduce_x.csv:2: library: network-h100 has no all-reduce kernels of \"lmdeploy\"; there are "
            "sglang, vllm, trtllm");
  EXPECT_EQ(error("engine_allreduce_x.csv", engines + "h100,,graph,8,65536,9\n"),
            "engine_allreduce_x.csv:2: library: expected an engine's name");
  EXPECT_EQ(error("other.csv", low), "other.csv: the name begins as no kind of table");
}
}  // namespace
}  // namespace moesim::network
