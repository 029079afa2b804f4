// Writes the inputs that fuzzers begin with and that no file of the repository holds: FOLDER/FUZZER/NAME.
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "support/byte_builders.h"

namespace {
using namespace moesim::bytes;

std::filesystem::path folder;
void seed(const char* fuzzer, const char* name, std::string_view bytes) {
  std::filesystem::create_directories(folder / fuzzer);
  std::ofstream(folder / fuzzer / name, std::ios::binary) << bytes;
}

std::string ids(int n) {
  std::vector<std::uint8_t> out;
  for (int i = 0; i < n; ++i) out.push_back(std::uint8_t((i * 5 + i / 2) % 6));
  return raw(out);
}

void arrays() {
  const std::string small = npy("<i4", "(2, 3)", raw<std::int32_t>({1, 2, 3, 4, 5, 6}));
  const std::string root = dictionary({{"a", tensor("IntStorage", "0", 6, {2, 3}, {3, 1})},
                                       {"b", tensor("HalfStorage", "1", 4, {2, 2}, {1, 2})},
                                       {"c", list({integer(3), text("word"), tuple({1, 2})})}});
  const std::vector<std::pair<std::string, std::string>> entries = {{"x/data.pkl", pickle(root)},
                                                                    {"x/data/0", raw<std::int32_t>({1, 2, 3, 4, 5, 6})},
                                                                    {"x/data/1", raw<std::uint16_t>({1, 2, 3, 4})}};
  seed("formats", "npy", small);
  seed("formats", "fortran", npy("<f2", "(2, 3)", raw<std::uint16_t>({1, 2, 3, 4, 5, 6}), true));
  seed("formats", "torch", zip(entries));
  seed("formats", "deflated", zip(entries, true));
  seed("formats", "npz", zip({{"a.npy", small}}, true));
  seed("formats", "pickle", pickle(root));
  seed("formats", "safetensors",
       safetensors({{"a", "F32", "[2,2]", raw<float>({1, 2, 3, 4})}, {"b", "I64", "[1]", raw<std::int64_t>({7})}}));
  seed("formats", "gguf", imatrix({{1, {1, 2, 3}}, {2, {4, 5, 6}}}, 3, 4));
  seed("formats", "base64", base64(small));
}

void routing() {
  const std::string choices = npy("|u1", "(4, 3, 2)", ids(24)), loads = "[[30,10,5,5,0,10],[20,20,0,10,5,5]]";
  seed("routing", "npy", choices);
  seed("routing", "wide", npy("<i4", "(2, 3, 2)", raw<std::int32_t>({0, 0, 5, 1, 2, 3, 0, 0, -1, -1, 4, 0})));
  seed("routing", "npz",
       zip({{"input_ids.npy", npy("<i8", "(1, 2)", raw<std::int64_t>({8, 9}))},
            {"router_logits_0.npy", npy("<f4", "(1, 2, 4)", raw<float>({0, 3, 1, 2, 5, 0, 0, -1}))}},
           true));
  seed("routing", "imatrix", imatrix({{1, {6, 2, 4, 4}}, {2, {4, 4, 4, 4}}}, 2, 4));
  seed("routing", "loads.json", R"({"logical_count": )" + loads + "}");
  seed("routing", "loads", loads);
  seed("routing", "loads.csv", "layer,e0,e1,e2\n0,30,10,5\n1,20,20,0\n");
  seed("routing", "loads.npy", npy("<f4", "(2, 6)", raw<float>({30, 10, 5, 5, 0, 10, 20, 20, 0, 10, 5, 5})));
  seed("routing", "tokens.jsonl",
       R"({"sequence":0,"position":0,"token":5,"layers":{"3":{"experts":[0,1],"weights":[0.5,0.25]}}}
{"sequence":0,"position":1,"token":6,"layers":{"3":{"experts":[2,1],"weights":[0.5,0.25]}}}
)");
  seed("routing", "megatron.jsonl", R"({"step":0,"layer":3,"num_tokens":2,"topk":2,"top_indices":[[0,1],[2,3]]}
{"step":1,"layer":3,"num_tokens":1,"topk":2,"top_indices":[[0,1]]}
)");
  seed("routing", "lines.jsonl", R"({"layer":2,"experts":[0,1],"token_idx":0,"problem_id":"p","dataset":"d"}
{"layer":2,"experts":[2,1],"token_idx":1,"problem_id":"p","dataset":"d"}
)");
  seed("routing", "rows.jsonl", R"({"layer":2,"batch_id":0,"origin_rows":[4,7],"topk_experts":[[1,0],[0,1]]})");
  seed("routing", "vllm.json",
       R"({"choices":[{"routed_experts":")" + base64(choices) + R"(","token_ids":[1,2,3,4]}],"prompt_token_ids":[1]})");
  seed("routing", "vllm_lists.json", R"({"choices":[{"routed_experts":[[[0,1],[2,3]],[[1,2],[0,3]]]}]})");
  seed("routing", "sglang.json",
       R"({"meta_info":{"prompt_tokens":3,"completion_tokens":2,"routed_experts":")" +
           base64(raw<std::int32_t>({0, 1, 2, 3, 1, 0, 3, 2})) + R"("},"text":"x"})");
  const std::string counts = tensor("LongStorage", "0", 6, {1, 2, 3}, {6, 3, 1});
  seed("routing", "sglang.pt",
       torch_file(dictionary({{"logical_count", counts}, {"rank", integer(0)}}),
                  {{"0", raw<std::int64_t>({1, 2, 3, 4, 0, 2})}}));
  const std::string record = dictionary({{"forward_pass_id", integer(0)},
                                         {"rank", integer(0)},
                                         {"input_ids", integers({5, 6})},
                                         {"positions", integers({9, 9})},
                                         {"extend_seq_lens", "N"},
                                         {"forward_mode", integer(2)},
                                         {"topk_ids_of_layer", tensor("IntStorage", "i", 6, {1, 2, 3}, {6, 3, 1})}});
  seed("routing", "tokens.pt",
       torch_file(dictionary({{"records", list({record})},
                              {"last_physical_to_logical_map", tensor("LongStorage", "m", 4, {1, 4}, {4, 1})}}),
                  {{"i", raw<std::int32_t>({3, 1, -1, 0, 2, -1})}, {"m", raw<std::int64_t>({3, 2, 1, 0})}}));
  seed("routing", "tensorrt.safetensors",
       safetensors({{"100_3", "I64", "[4]", raw<std::int64_t>({2, 1, 1, 0})},
                    {"101_3", "I64", "[4]", raw<std::int64_t>({2, 1, 1, 0})}}));
}

void requests() {
  seed("requests", "azure",
       "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 23:59:59.9799600,374,44\r\n2023-11-17 00:00:01,12,3\n");
  seed("requests", "burstgpt",
       "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log "
       "Type\n5,1,2,ChatGPT,472,18,490,Conversation log\n45,,,GPT-4,1,2,3,API log\n");
  seed("requests", "splitwise",
       "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n0,2,0,1.5,1,374,"
       "44\n1,2,0,2.5,1,3,4\n");
  seed("requests", "vidur", "arrived_at,num_prefill_tokens,num_decode_tokens\n1.5,10,20\n2,11,21\n");
  seed("requests", "mooncake", R"({"timestamp": 500, "input_length": 1100, "output_length": 6, "hash_ids": [7, 8, 9]}
{"timestamp": 900, "input_length": 600, "output_length": 6, "hash_ids": [7, 8]}
)");
  seed(
      "requests", "bailian",
      R"({"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.5, "input_length": 40, "output_length": 6, "type": "text", "turn": 1, "hash_ids": [7, 8, 9]}
{"chat_id": 2, "parent_chat_id": 1, "timestamp": 9.5, "input_length": 50, "output_length": 6, "type": "text", "turn": 2, "hash_ids": [7, 8, 9, 10]}
)");
  seed(
      "requests", "llmservingsim",
      R"({"session_id": "a", "arrival_time_ns": 1000, "sub_requests": [{"input_toks": 10, "output_toks": 3, "tool_duration_ns": 5000}, {"input_toks": 20, "output_toks": 3}]}
{"input_toks": 10, "output_toks": 3, "arrival_time_ns": 2000}
)");
  seed(
      "requests", "sharegpt",
      R"([{"id": "x", "conversations": [{"from": "human", "value": "hello you"}, {"from": "gpt", "value": "hello to you too"}, {"from": "human", "value": "more"}, {"from": "gpt", "value": "no"}]}])");
  seed(
      "requests", "servegen",
      "0,1.5,1.2,Gamma,0.8,1.5\n600,2.5,0.9,Weibull,1.1,0.4\n1200,0.5,1,,,\n\n"
      R"({"0": {"input_tokens": "{10: 0.5, 30: 0.5}", "output_tokens": "{5: 1.0}", "reason_ratio": "{}"}, "1200": {"input_tokens": "{7: 1}", "output_tokens": "{9: 1}"}})");
}

void placements() {
  seed("placements", "json",
       R"({"layers":{"0":{"slots":[0,1,2,3]},"1":{"slots":[3,2,1,0]}},"slots_per_gpu":2,"experts":4})");
  seed("placements", "csv",
       "layer,gpu,slot,expert\n0,0,0,0\n0,0,1,1\n0,1,2,2\n0,1,3,3\n1,0,0,3\n1,0,1,2\n1,1,2,1\n1,1,3,0\n");
  seed("placements", "sglang", "{\"physical_to_logical_map\":[\n[0,1,2,3],\n[2,0,1,3]]}\n");
  seed("placements", "tensorrt", "num_slots: 4\ninitial_global_assignments:\n  0: [0, 1, 2, 3]\n  1: [3, 2, 1, 0]\n");
  seed(
      "placements", "ascend",
      R"({"moe_layer_count":2,"layer_list":[{"layer_id":0,"device_count":2,"device_list":[{"device_id":0,"device_expert":[0,1]},{"device_id":1,"device_expert":[2,3]}]},{"layer_id":1,"device_count":2,"device_list":[{"device_id":0,"device_expert":[3,2]},{"device_id":1,"device_expert":[1,0]}]}]})");
  seed("placements", "loads", R"({"rank": 3, "logical_count": [[0, 0, 0], [1, 2, 3], [3.0, 4, 5]]})");
  seed("placements", "steps", R"({"logical_count": [[[0,0],[1,0],[1,2]], [[0,0],[0,2],[2,2]]]})");
  seed("placements", "loads.csv", "layer,e0,e1,e2\n3,30,10,5\n4,20,20,0\n");
  seed("placements", "loads.npy", npy("<i8", "(2, 3)", raw<std::int64_t>({1, 2, 3, 4, 5, 6})));
}

void tables() {
  seed("tables", "gemm",
       "gpu,library,kernel,precision,m,n,k,time_us\nh100,x,y,bfloat16,64,4096,4096,30\nh100,x,y,fp8_block,64,4096,7168,"
       "30\nb200,x,y,nvfp4,64,4096,4096,30\n");
  seed(
      "tables", "attention",
      "gpu,library,kernel,batch,new_tokens,cached_tokens,heads,kv_heads,head_dim,window,compute,kv_cache,time_us\n"
      "b200,x,trtllm_mha,1,16384,0,8,8,128,0,bfloat16,bfloat16,90000\nh100,x,fa3,4,1,4096,8,1,128,0,bfloat16,fp8,90\n");
  seed("tables", "mla",
       "gpu,library,kernel,batch,new_tokens,cached_tokens,heads,kv_cache,time_us\n"
       "h100,x,flashmla,64,1,4096,128,bfloat16,900\n");
  seed("tables", "moe",
       "gpu,library,kernel,precision,tokens,hidden,width,top_k,experts,tp,ep,load,time_us\n"
       "h100,x,y_deepgemm,fp8_block,64,7168,2048,8,256,1,8,balanced,3000\n"
       "h100,x,y_triton,bfloat16,64,4096,14336,2,8,1,1,power_law_1.2,3000\n");
  seed("tables", "wide",
       "gpu,library,op,tokens,rank0_tokens,hidden,width,top_k,experts,slots,ep,load,time_us\n"
       "b200,trtllm,x,64,20,7168,2048,8,256,288,32,balanced,300\n");
  seed("tables", "quantise",
       "gpu,library,rows,cols,static_us,dynamic_us\nh100,x,16,1024,2,\nh100,x,4096,7168,90,100\n");
  seed("tables", "nccl",
       "gpu,library,collective,dtype,gpus,elements,time_us\nh100,x,alltoall,half,8,512,9\n"
       "h100,x,all_reduce,int8,4,512,9\nh100,x,all_gather,half,8,1048576,90\n");
  seed("tables", "nccl_2025",
       "version,device,op_name,nccl_dtype,num_gpus,message_size,latency\n2.2,h100,alltoall,half,8,512,0.1\n");
  seed("tables", "engine", "gpu,library,mode,gpus,bytes,time_us\nh100,sglang,graph,8,4096,9\n");
  seed("tables", "normal",
       "gpu,library,nodes,hidden,tokens,top_k,experts,sms,dispatch_us,dispatch_notify_us,combine_us,combine_notify_us\n"
       "h100,x,2,7168,4096,8,256,24,2000,50,3000,0\n");
  seed("tables", "low",
       "gpu,library,nodes,hidden,tokens,top_k,experts,dispatch_us,combine_us\nh100,x,2,7168,128,8,256,200,300\n");
}

void rest() {
  seed("yaml", "quantities",
       "set a.b=3\na: {b: 1, c: [1.5 us, 80 GiB, 400 Gbps, 989 TFLOP/s, 700 W, 2 USD/h]}\nd: true\ne: none\nf: \"x "
       "y\"\n");
  seed("yaml", "anchors", "a: &x [1, 2, {b: 3}]\nc: *x\nd: |\n  text\n  more\ne: >-\n  folded\n");
  seed("yaml", "set", "set a[1]=7\nset a=1,2 us,3\nset b.c.d={x: [1, 2]}\na: [1, 2]\n");
  seed("words", "a",
       "1/4\n3/4\n1ms:5ms\n:5 us\n0-7\n16\n1,2-9\na.b=3\na.b[0]=[1, 2]\n8GiB\n100\n-5\n1e3\n2023-11-16 "
       "18:17:03.97996\n2023-11-16T18:17:03Z\n");
  seed("results", "a", std::string(1 + 8, '\0'));
  seed("results", "b", "\x01\x04\x05\x02\x03\x04\x05\x06\x07\x04\x09\x01\x01\x0d\x05\x06\x07");
  seed("trace", "a", std::string(8, '\0'));
  seed("trace", "b", "\x04\x05\x02\x03\x04\x05\x06\x07\x00\x10\xff\xff\x01\x02");
  seed("tokenizer", "ids.json", "[[1, 2, 3], [4, 5]]");
  seed("tokenizer", "ids.jsonl", "{\"tokens\": [1, 2, 3]}\n[4, 5]\n");
  seed("tokenizer", "ids.npy", npy("<i4", "(2, 3)", raw<std::int32_t>({1, 2, 3, 4, 5, 6})));
}
}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  folder = argv[1];
  arrays();
  routing();
  requests();
  placements();
  tables();
  rest();
}
