// Importers of what serving and training systems write, on files built here.
#include <fmt/format.h>

#include "support/byte_builders.h"
#include "unit/routing/import_fixture.h"

namespace moesim::routing {
namespace {
using namespace bytes;

TEST_F(Import, SglangPassesOfTwoRanksAndAPhysicalMap) {
  // 2 layers, 3 physical experts of 2 logical ones: the third is a copy of the second (layer 0) or first (layer 1).
  const std::string map = tensor("LongStorage", "m", 6, {2, 3}, {3, 1});
  const auto rank = [&](int r, const std::vector<std::int32_t>& counts) {
    const std::string record = dictionary({{"forward_pass_id", integer(7)},
                                           {"rank", integer(r)},
                                           {"global_physical_count", tensor("IntStorage", "c", 7, {2, 3}, {3, 1}, 1)}});
    std::vector<std::int32_t> storage = {99};  // the tensor begins one element into its storage
    storage.insert(storage.end(), counts.begin(), counts.end());
    return torch_file(dictionary({{"records", list({record})}, {"last_physical_to_logical_map", map}}),
                      {{"m", raw<std::int64_t>({0, 1, 1, 0, 1, 0})}, {"c", raw(storage)}});
  };
  ImportOptions options;
  options.top_k = 1;
  const Trace t =
      run({folder.write("a_0.pt", rank(0, {1, 2, 3, 4, 0, 2})), folder.write("a_1.pt", rank(1, {1, 0, 0, 0, 1, 0}))},
          options);
  EXPECT_EQ(t.header().experts, 2);
  EXPECT_EQ(load(t, 0), (std::vector<std::int64_t>{2, 5}));
  EXPECT_EQ(load(t, 1), (std::vector<std::int64_t>{6, 1}));
}

TEST_F(Import, SglangTokensWithPaddingAndUnclearRequests) {
  // Two decode tokens at the same position that nothing before explains: their requests are not guessed.
  const std::string record = dictionary({{"forward_pass_id", integer(0)},
                                         {"rank", integer(0)},
                                         {"input_ids", integers({5, 6})},
                                         {"positions", integers({9, 9})},
                                         {"extend_seq_lens", "N"},
                                         {"forward_mode", integer(2)},
                                         {"topk_ids_of_layer", tensor("IntStorage", "i", 6, {1, 2, 3}, {6, 3, 1})}});
  const std::string file =
      torch_file(dictionary({{"records", list({record})},
                             {"last_physical_to_logical_map", tensor("LongStorage", "m", 4, {1, 4}, {4, 1})}}),
                 {{"i", raw<std::int32_t>({3, 1, -1, 0, 2, -1})}, {"m", raw<std::int64_t>({3, 2, 1, 0})}});
  const Trace t = run({folder.write("a.pt", file)});
  EXPECT_EQ(t.header().top_k, 2);
  EXPECT_EQ(choices(t, 0), (std::vector<int>{0, 2, 3, 1}));
  EXPECT_FALSE(t.header().requests);
  EXPECT_TRUE(notes_mention(t, "not every token's request"));
  std::vector<TraceToken> tokens;
  t.read_tokens(0, 2, tokens);
  EXPECT_EQ(tokens[1].request, -1);
  EXPECT_EQ(tokens[1].token, 6);
  EXPECT_EQ(tokens[1].phase, TracePhase::decode);
}

TEST_F(Import, SglangSelfDescribingReply) {
  const std::string in = base64(raw<std::int32_t>({1, 0, 2, 3})),
                    after = base64(raw<std::int32_t>({3, 1, 0, 2, 2, 1, 1, 3}));
  const std::string schema =
      R"({"dtype":"int32","layout":"row_major","id_space":"logical_global","num_layers":2,"top_k":2,"moe_layer_ids":[4,6],)"
      R"("input_num_rows":1,"output_num_rows":2,"input_start_position":0,"output_start_position":1})";
  const std::string object = R"({"input_expert_ids":")" + in + R"(","output_expert_ids":")" + after +
                             R"(","expert_ids_schema":)" + schema + "}";
  for (const std::string& text : {R"({"choices":[],"sglext":)" + object + "}", R"([{"meta_info":)" + object + "}]",
                                  "data: {\"choices\":[]}\n\ndata: {\"sglext\":" + object + "}\n\ndata: [DONE]\n"}) {
    const Trace t = run({folder.write("a.json", text)});
    EXPECT_EQ(t.header().layers, (std::vector<int>{4, 6}));
    EXPECT_EQ(choices(t, 0), (std::vector<int>{1, 0, 3, 1, 2, 1}));
    EXPECT_EQ(choices(t, 1), (std::vector<int>{2, 3, 0, 2, 1, 3}));
    std::vector<TraceToken> tokens;
    t.read_tokens(0, 3, tokens);
    EXPECT_EQ(tokens[1].phase, TracePhase::prefill);  // the prompt's last token makes the first new one
    EXPECT_EQ(tokens[2].phase, TracePhase::decode);
  }
}

TEST_F(Import, VllmGenerations) {
  const std::string lists =
      R"({"prompt_routed_experts":[[[-1,-1],[-1,-1]],[[1,0],[2,3]]],"choices":[{"routed_experts":[[[3,1],[0,2]]]}]})";
  const Trace old = run({folder.write("a.json", lists)});
  EXPECT_EQ(old.header().layers.size(), 2u);
  EXPECT_EQ(choices(old, 0), (std::vector<int>{-1, -1, 1, 0, 3, 1}));
  EXPECT_TRUE(old.header().phases);
  const std::string array = base64(npy("<i4", "(2, 2, 2)", raw<std::int32_t>({1, 0, 2, 3, 3, 1, 0, 2})));
  const std::string now =
      R"({"choices":[{"token_ids":[7,8],"prompt_token_ids":[4,5,6],"routed_experts_prompt_start":2,"routed_experts":")" +
      array + R"("}]})";
  const Trace t = run({folder.write("b.json", now)});
  std::vector<TraceToken> tokens;
  t.read_tokens(0, 2, tokens);
  EXPECT_EQ(tokens[0].position, 2);
  EXPECT_EQ(tokens[0].token, 6);
  EXPECT_EQ(tokens[0].phase, TracePhase::prefill);
  EXPECT_EQ(tokens[1].token, 7);
  EXPECT_EQ(tokens[1].phase, TracePhase::decode);
}

TEST_F(Import, TensorRtCountsAndSelections) {
  folder.write("meta_info.json", R"({"num_experts":4,"num_experts_per_token":2})");
  folder.write("rank0.safetensors", safetensors({{"100_3", "I64", "[4]", raw<std::int64_t>({2, 1, 1, 0})},
                                                 {"100_4", "I64", "[4]", raw<std::int64_t>({1, 1, 1, 1})}}));
  folder.write("rank1.safetensors", safetensors({{"100_3", "I64", "[4]", raw<std::int64_t>({0, 1, 0, 1})},
                                                 {"100_4", "I64", "[4]", raw<std::int64_t>({1, 0, 1, 0})}}));
  const Trace counts = run({folder.path().string()});
  EXPECT_EQ(counts.header().layers, (std::vector<int>{3, 4}));
  EXPECT_EQ(counts.tokens(), 3);
  EXPECT_EQ(load(counts, 0), (std::vector<std::int64_t>{2, 2, 1, 1}));
  folder.write("rank0_raw.safetensors", safetensors({{"100_3", "I32", "[2, 2]", raw<std::int32_t>({0, 1, 2, 3})},
                                                     {"100_4", "I32", "[2, 2]", raw<std::int32_t>({3, 0, 1, 2})}}));
  const Trace raw_trace = run({folder.file("meta_info.json")});
  EXPECT_FALSE(raw_trace.header().sampled);
  EXPECT_EQ(choices(raw_trace, 1), (std::vector<int>{3, 0, 1, 2}));
}

TEST_F(Import, TensorRtRanksAndTablesThatAreMissingAreNamed) {
  folder.write("meta_info.json", R"({"num_experts":4,"num_experts_per_token":1})");
  const auto table = [](std::int64_t n) { return raw<std::int64_t>({n, 1, 0, 0}); };
  folder.write("rank0.safetensors",
               safetensors({{"100_3", "I64", "[4]", table(2)}, {"101_3", "I64", "[4]", table(1)}}));
  folder.write("rank3.safetensors", safetensors({{"100_3", "I64", "[4]", table(5)}}));
  const Trace t = run({folder.path().string()});
  EXPECT_EQ(load(t, 0), (std::vector<std::int64_t>{8, 3, 0, 0}));
  EXPECT_TRUE(notes_mention(t, "the files of ranks 1, 2 are missing"));
  EXPECT_TRUE(notes_mention(t, "1 of 2 tables by iteration and layer are not in all 2 files"));
}

TEST_F(Import, MegatronRanksShareSteps) {
  const auto line = [](int step, int layer, const std::string& ids, int n) {
    return R"({"step":)" + std::to_string(step) + R"(,"stage":"pre_dispatch","block":"decoder","layer":)" +
           std::to_string(layer) + R"(,"rank":0,"num_tokens":)" + std::to_string(n) + R"(,"topk":1,"top_indices":)" +
           ids + "}\n";
  };
  const std::string a =
      line(0, 1, "[[0],[1]]", 2) + line(0, 2, "[[2],[3]]", 2) + line(1, 1, "[[3]]", 1) + line(1, 2, "[[0]]", 1);
  const std::string b =
      line(0, 1, "[[2]]", 1) + line(0, 2, "[[1]]", 1) +
      R"({"step":0,"stage":"pre_dispatch","block":"mtp","layer":1,"rank":1,"num_tokens":1,"topk":1,"top_indices":[[0]]})" +
      "\n";
  const Trace t = run({folder.write("r0.jsonl", a), folder.write("r1.jsonl", b)});
  EXPECT_EQ(t.passes(), 2);
  EXPECT_EQ(choices(t, 0), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(choices(t, 1), (std::vector<int>{2, 3, 1, 0}));
  EXPECT_TRUE(notes_mention(t, "1 records of multi-token prediction layers"));
}

/// A record of Megatron's, of top-1.
std::string megatron(int step, int layer, const std::vector<int>& ids, const std::string& more = "") {
  std::string list;
  for (const int id : ids) list += fmt::format("{}[{}]", list.empty() ? "" : ",", id);
  return fmt::format(R"({{"step":{},"layer":{},"rank":0,"num_tokens":{},"topk":1{},"top_indices":[{}]}})", step, layer,
                     ids.size(), more, list) +
         "\n";
}

TEST_F(Import, MegatronRanksThatHoldTheSameTokensCountOnce) {
  // Ranks 0 and 1 share tokens (tensor parallel), rank 2 has its own; rank 1 was stopped a step earlier.
  const std::string a = megatron(0, 1, {0, 1}) + megatron(0, 2, {2, 3}),
                    later = megatron(1, 1, {3}) + megatron(1, 2, {1}),
                    other = megatron(0, 1, {0, 1}) + megatron(0, 2, {2, 2});
  const Trace t =
      run({folder.write("r0.jsonl", a + later), folder.write("r1.jsonl", a), folder.write("r2.jsonl", other)});
  EXPECT_EQ(choices(t, 0), (std::vector<int>{0, 1, 0, 1, 3}));
  EXPECT_EQ(choices(t, 1), (std::vector<int>{2, 3, 2, 2, 1}));
  EXPECT_TRUE(notes_mention(t, "1 of 3 ranks hold the same tokens as another"));
  EXPECT_TRUE(notes_mention(t, "counted once; 1 of them as far as they go"));
  // Wherever it ends, in whatever order, the longer file is what counts: between passes, within one, within a line.
  for (const std::string& cut :
       {a, a + megatron(1, 1, {3}), a + megatron(1, 1, {3}) + R"({"step":1,"layer":2,"ra)", megatron(0, 1, {0, 1})})
    for (const auto& [first, second] : {std::pair(a + later, cut), std::pair(cut, a + later)}) {
      const Trace whole = run({folder.write("r0.jsonl", first), folder.write("r1.jsonl", second)});
      EXPECT_EQ(choices(whole, 0), (std::vector<int>{0, 1, 3})) << cut;
      EXPECT_EQ(choices(whole, 1), (std::vector<int>{2, 3, 1})) << cut;
      EXPECT_TRUE(notes_mention(whole, "1 of 2 ranks hold the same tokens as another")) << cut;
      EXPECT_TRUE(notes_mention(whole, "1 of them as far as they go")) << cut;
    }
  const Trace equal = run({folder.write("r0.jsonl", a), folder.write("r1.jsonl", a), folder.write("r2.jsonl", a)});
  EXPECT_EQ(equal.tokens(), 2);
  EXPECT_FALSE(notes_mention(equal, "as far as they go"));
  // What lacks layers of a pass and goes on after it was not cut short there.
  const Trace other_layers = run(
      {folder.write("r0.jsonl", a + later), folder.write("r1.jsonl", megatron(0, 1, {0, 1}) + megatron(1, 1, {3}))});
  EXPECT_EQ(other_layers.tokens(), 6);
}

TEST_F(Import, MegatronPipelineStagesMakeUpOneToken) {
  const Trace t =
      run({folder.write("r0.jsonl", megatron(0, 1, {0, 1})), folder.write("r1.jsonl", megatron(0, 1, {2, 3})),
           folder.write("r2.jsonl", megatron(0, 2, {3, 2})), folder.write("r3.jsonl", megatron(0, 2, {1, 0}))});
  EXPECT_EQ(t.tokens(), 4);
  EXPECT_EQ(choices(t, 0), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(choices(t, 1), (std::vector<int>{3, 2, 1, 0}));
  EXPECT_TRUE(notes_mention(t, "ranks of 2 pipeline stages"));
  const Trace one_missing =
      run({folder.write("r0.jsonl", megatron(0, 1, {0, 1})), folder.write("r1.jsonl", megatron(0, 1, {2, 3})),
           folder.write("r2.jsonl", megatron(0, 2, {3, 2}))});
  EXPECT_EQ(one_missing.tokens(), 6);
  EXPECT_TRUE(notes_mention(one_missing, "is a file missing?"));
  EXPECT_TRUE(notes_mention(one_missing, "3 of 3 passes lack some of the 2 layers"));
}

TEST_F(Import, MegatronLayersAreTheModelsHoweverTheyAreCounted) {
  // DeepSeek-V2-Lite: 27 layers, the first dense, top-6.
  const auto file = [&](int first, int count) {
    std::string text;
    for (int l = first; l < first + count; ++l)
      text +=
          fmt::format(R"({{"step":0,"layer":{},"num_tokens":1,"topk":6,"top_indices":[[0,1,2,3,4,{}]]}})", l, 10 + l) +
          "\n";
    return folder.write("r0.jsonl", text);
  };
  ImportOptions options;
  options.model = "deepseek-v2-lite";
  for (const auto& [first, note] :
       {std::pair(1, ""), {2, "layers are counted from 1"}, {0, "MoE layers alone are counted"}}) {
    const Trace t = run({file(first, 26)}, options);
    EXPECT_EQ(t.header().layers.front(), 1);
    EXPECT_EQ(t.header().layers.back(), 26);
    EXPECT_EQ(choices(t, 0).back(), 10 + first);
    EXPECT_EQ(notes_mention(t, "are counted"), *note != 0);
    EXPECT_TRUE(*note == 0 || notes_mention(t, note));
  }
}

TEST_F(Import, MegatronPaddingOtherStagesAndACutEndAreLeftOutAndSaid) {
  const std::string text = megatron(0, 1, {0, 1, 2}, R"(,"semantic_token_ids":["0:prefix:0","0:prefix:1",null])") +
                           megatron(0, 1, {3, 3}, R"(,"stage":"post_dispatch")") + R"({"step":1,"layer":1,"ra)";
  const Trace t = run({folder.write("r0.jsonl", text)});
  EXPECT_EQ(choices(t, 0), (std::vector<int>{0, 1}));
  EXPECT_TRUE(notes_mention(t, "1 rows without a token (padding)"));
  EXPECT_TRUE(notes_mention(t, "1 records of other stages than pre_dispatch"));
  EXPECT_TRUE(notes_mention(t, "its last line is cut off"));
}

TEST_F(Import, RepliesWithTensorsThatSayTheirShape) {
  // 2 rows of 2 layers and top-2, in 16 bits.
  const std::string tensor_text = R"({"data":")" + base64(raw<std::int16_t>({1, 0, 2, 3, 3, 1, 0, 2})) +
                                  R"(","shape":[2,2,2],"dtype":"int16","start":1})";
  const std::string vllm = R"({"choices":[{"token_ids":[7,8],"prompt_token_ids":[4,5],"routed_experts":)" +
                           tensor_text + R"(},{"routed_experts":null}]})",
                    sglang = R"([{"meta_info":{"prompt_tokens":2,"completion_tokens":2,"routed_experts":)" +
                             tensor_text + R"(}},{"meta_info":{"prompt_tokens":9,"routed_experts":null}}])";
  for (const auto& [text, left_out] : {std::pair(vllm, "1 of 2 choices"), std::pair(sglang, "1 of 2 replies")}) {
    const Trace t = run({folder.write("a.json", text)});
    EXPECT_EQ(choices(t, 0), (std::vector<int>{1, 0, 3, 1}));
    EXPECT_EQ(choices(t, 1), (std::vector<int>{2, 3, 0, 2}));
    std::vector<TraceToken> tokens;
    t.read_tokens(0, 2, tokens);
    EXPECT_EQ(tokens[0].position, 1);
    EXPECT_EQ(tokens[1].phase, TracePhase::decode);
    EXPECT_TRUE(notes_mention(t, fmt::format("{} hold no routing", left_out)));
  }
}

TEST_F(Import, SglangFilesOfOneRankSayWhoseTheyAre) {
  const std::string record = dictionary({{"forward_pass_id", integer(7)},
                                         {"rank", integer(3)},
                                         {"global_physical_count", tensor("IntStorage", "c", 2, {1, 2}, {2, 1})}});
  const std::string file =
      torch_file(dictionary({{"records", list({record})},
                             {"last_physical_to_logical_map", tensor("LongStorage", "m", 2, {1, 2}, {2, 1})}}),
                 {{"m", raw<std::int64_t>({0, 1})}, {"c", raw<std::int32_t>({2, 1})}});
  ImportOptions options;
  options.top_k = 1;
  const Trace t = run({folder.write("a_3.pt", file)}, options);
  EXPECT_TRUE(notes_mention(t, "these are the tokens of rank 3 alone"));
  // With a second file of another pass, each lacks a rank's tokens.
  const std::string other = dictionary({{"forward_pass_id", integer(8)},
                                        {"rank", integer(2)},
                                        {"global_physical_count", tensor("IntStorage", "c", 2, {1, 2}, {2, 1})}});
  const std::string second =
      torch_file(dictionary({{"records", list({other})},
                             {"last_physical_to_logical_map", tensor("LongStorage", "m", 2, {1, 2}, {2, 1})}}),
                 {{"m", raw<std::int64_t>({0, 1})}, {"c", raw<std::int32_t>({2, 1})}});
  const Trace both = run({folder.write("a_3.pt", file), folder.write("a_2.pt", second)}, options);
  EXPECT_TRUE(notes_mention(both, "2 of 2 passes are not in all 2 files"));
  EXPECT_TRUE(notes_mention(both, "these are the tokens of ranks 2, 3 alone: ranks 0, 1 are not given"));
  EXPECT_EQ(load(t, 0), (std::vector<std::int64_t>{2, 1}));
}
}  // namespace
}  // namespace moesim::routing
