// Importers on files built here: what each format says must come out, and what it lacks must be said.
#include "routing/importers/import.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/random.h"
#include "routing/exporters/exporters.h"
#include "support/byte_builders.h"
#include "support/temporary_folder.h"

namespace moesim::routing {
namespace {
using namespace bytes;

class Import : public ::testing::Test {
 protected:
  TemporaryFolder folder;
  std::string out = folder.file("out.db");

  Trace run(const std::vector<std::string>& files, ImportOptions options = {}) const {
    std::filesystem::remove(out);
    options.output = out;
    import_trace(files, options);
    return Trace(out);
  }
  static std::vector<int> choices(const Trace& t, int ordinal) {
    std::vector<std::int16_t> ids;
    t.read_experts(ordinal, 0, t.tokens(), ids);
    return {ids.begin(), ids.end()};
  }
  static bool notes_mention(const Trace& t, const std::string& word) {
    for (const std::string& n : t.header().notes)
      if (n.find(word) != std::string::npos) return true;
    return false;
  }
  static std::vector<std::int64_t> load(const Trace& t, int ordinal) {
    std::vector<std::int64_t> l(std::size_t(t.header().experts));
    t.load(ordinal, 0, t.tokens(), l);
    return l;
  }
};

TEST_F(Import, ArrayOfIdsOfAnyWidthAndOrder) {
  // Two tokens, two layers, top-2.
  const std::vector<int> first = {3, 1, 0, 2}, second = {2, 0, 1, 3};
  const std::string files[] = {
      folder.write("a.npy", npy("|u1", "(2, 2, 2)", raw<std::uint8_t>({3, 1, 2, 0, 0, 2, 1, 3}))),
      folder.write("b.npy", npy("<i8", "(2, 2, 2)", raw<std::int64_t>({3, 1, 2, 0, 0, 2, 1, 3}))),
      folder.write("c.npy", npy("<u2", "(2, 2, 2)", raw<std::uint16_t>({3, 0, 2, 1, 1, 2, 0, 3}), true))};
  for (const std::string& f : files) {
    const Trace t = run({f});
    EXPECT_EQ(choices(t, 0), first) << f;
    EXPECT_EQ(choices(t, 1), second) << f;
    EXPECT_EQ(t.header().experts, 4);
    EXPECT_TRUE(notes_mention(t, "4 is the largest id and one"));
    EXPECT_TRUE(notes_mention(t, "not known (no model was given)"));
    EXPECT_FALSE(t.header().requests);
  }
}

TEST_F(Import, LayersWithoutRoutingAreDense) {
  // Three hidden layers, the first an untouched buffer; -1 where the prefix was cached.
  const std::string f =
      folder.write("a.npy", npy("<i4", "(2, 3, 2)", raw<std::int32_t>({0, 0, 5, 1, 2, 3, 0, 0, -1, -1, 4, 0})));
  ImportOptions options;
  options.experts = 6;
  const Trace t = run({f}, options);
  EXPECT_EQ(t.header().layers, (std::vector<int>{1, 2}));
  EXPECT_EQ(t.header().hidden_layers, 3);
  EXPECT_EQ(choices(t, 0), (std::vector<int>{5, 1, -1, -1}));
  EXPECT_TRUE(notes_mention(t, "1 layers hold no routing and were taken as dense"));
}

TEST_F(Import, TheModelNamesLayersAndLimits) {
  const std::vector<std::uint16_t> ids = [] {
    std::vector<std::uint16_t> v;
    for (int t = 0; t < 2; ++t)
      for (int l = 0; l < 58; ++l)
        for (int j = 0; j < 8; ++j) v.push_back(std::uint16_t(j * 30 + l % 10 + t));
    return v;
  }();
  ImportOptions options;
  options.model = "deepseek-v3";
  const Trace t = run({folder.write("a.npy", npy("<u2", "(2, 58, 8)", raw(ids)))}, options);
  EXPECT_EQ(t.header().layers.front(), 3);
  EXPECT_EQ(t.header().layers.back(), 60);
  EXPECT_EQ(t.header().experts, 256);
  EXPECT_EQ(t.header().groups, 8);
  EXPECT_EQ(t.header().groups_used, 4);
  EXPECT_EQ(t.header().model, "deepseek-v3");
}

TEST_F(Import, LoadsBecomeTokensThatKeepThem) {
  const std::vector<std::int64_t> a = {30, 10, 5, 5, 0, 10}, b = {20, 20, 0, 10, 5, 5};
  const std::string files[] = {
      folder.write("a.json", R"({"logical_count": [[30,10,5,5,0,10],[20,20,0,10,5,5]]})"),
      folder.write("b.json", "[[30,10,5,5,0,10],[20,20,0,10,5,5]]"),
      folder.write("c.csv", "e0,e1,e2,e3,e4,e5\n30,10,5,5,0,10\n20,20,0,10,5,5\n"),
      folder.write("d.npy", npy("<f4", "(2, 6)", raw<float>({30, 10, 5, 5, 0, 10, 20, 20, 0, 10, 5, 5}))),
      folder.write("e.json",
                   R"({"logical_count": [[[15,5,0,0,0,10],[10,10,0,5,5,0]],[[15,5,5,5,0,0],[10,10,0,5,0,5]]]})")};
  ImportOptions options;
  options.top_k = 2;
  for (const std::string& f : files) {
    const Trace t = run({f}, options);
    EXPECT_EQ(t.tokens(), 30) << f;
    EXPECT_EQ(load(t, 0), a) << f;
    EXPECT_EQ(load(t, 1), b) << f;
    EXPECT_TRUE(t.header().sampled);
    const std::vector<int> ids = choices(t, 0);
    for (std::size_t i = 0; i < ids.size(); i += 2) ASSERT_NE(ids[i], ids[i + 1]) << "a token has an expert twice";
  }
  options.tokens = 3000;
  const Trace t = run({files[0]}, options);
  EXPECT_EQ(t.tokens(), 3000);
  EXPECT_EQ(load(t, 0), (std::vector<std::int64_t>{3000, 1000, 500, 500, 0, 1000}));
}

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

TEST_F(Import, ImportanceMatrixTellsTopK) {
  const Trace t = run({folder.write("a.gguf", imatrix({{1, {6, 2, 4, 4}}, {2, {4, 4, 4, 4}}}, 2, 4))});
  EXPECT_EQ(t.header().top_k, 2);
  EXPECT_EQ(t.header().layers, (std::vector<int>{1, 2}));
  EXPECT_EQ(t.tokens(), 8);
  EXPECT_EQ(load(t, 0), (std::vector<std::int64_t>{6, 2, 4, 4}));
}

TEST_F(Import, DeflatedLogits) {
  const std::string file =
      zip({{"input_ids.npy", npy("<i8", "(1, 2)", raw<std::int64_t>({8, 9}))},
           {"router_logits_0.npy", npy("<f4", "(1, 2, 4)", raw<float>({0, 3, 1, 2, 5, 0, 0, -1}))}},
          true);
  ImportOptions options;
  options.top_k = 2;
  const Trace t = run({folder.write("a.npz", file)}, options);
  EXPECT_EQ(choices(t, 0), (std::vector<int>{1, 3, 0, 1}));
  EXPECT_TRUE(t.header().weights);
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

TEST_F(Import, GapsBetweenTokenLayersStayGaps) {
  const std::string lines = R"({"dataset":"a","problem_id":0,"layer":1,"experts":[1,2],"token_idx":0})"
                            "\n"
                            R"({"dataset":"b","problem_id":1,"layer":1,"experts":[2,0],"token_idx":0})"
                            "\n"
                            R"({"dataset":"b","problem_id":1,"layer":4,"experts":[3,1],"token_idx":1})"
                            "\n";
  const Trace t = run({folder.write("a.jsonl", lines)});
  EXPECT_EQ(t.header().layers, (std::vector<int>{1, 4}));
  EXPECT_EQ(choices(t, 0), (std::vector<int>{1, 2, 2, 0, -1, -1}));
  EXPECT_EQ(choices(t, 1), (std::vector<int>{-1, -1, -1, -1, 3, 1}));
  EXPECT_EQ(t.header().domains, (std::vector<std::string>{"a", "b"}));
  const Trace batches =
      run({folder.write("b.jsonl", R"({"layer":2,"batch_id":0,"origin_rows":[4,7],"topk_experts":[[1,0],[0,1]]})"
                                   "\n")});
  EXPECT_EQ(choices(batches, 0), (std::vector<int>{1, 0, 0, 1}));
}

TEST_F(Import, WhatWasExportedComesBack) {
  TraceHeader h;
  h.source = "a test";
  h.layers = {3, 5};
  h.experts = 16;
  h.top_k = 2;
  h.weights = true;
  Random random(1, "round trip");
  std::vector<TraceToken> tokens;
  std::vector<std::int16_t> ids;
  std::vector<float> weights;
  for (int t = 0; t < 50; ++t)
    tokens.push_back({0, t / 20, t % 20, 100 + t, t % 20 < 15 ? TracePhase::prefill : TracePhase::decode, 0});
  for (int i = 0; i < 100; ++i) {
    const int e = int(random.below(16));
    ids.insert(ids.end(), {std::int16_t(e), std::int16_t((e + 3) % 16)});
    weights.insert(weights.end(), {float(random.uniform()), float(random.uniform())});
  }
  const std::string file = folder.file("t.db");
  {
    TraceWriter writer(file, h);
    writer.add(tokens, ids, weights);
    writer.finish();
  }
  const Trace original(file);
  const auto exported = [&](const Trace& t, const char* format) {
    std::string text;
    exporter(format).write(t, [&](std::string_view piece) { text += piece; });
    return text;
  };
  const std::string lines = exported(original, "jsonl");
  EXPECT_EQ(exported(run({folder.write("a.jsonl", lines)}), "jsonl"), lines);
  const std::string array = exported(original, "npy");
  EXPECT_EQ(exported(run({folder.write("a.npy", array)}), "npy"), array);
  const std::string loads = exported(original, "loads");
  ImportOptions options;
  options.top_k = 2;
  EXPECT_EQ(exported(run({folder.write("a.json", loads)}, options), "loads"), loads);
}
}  // namespace
}  // namespace moesim::routing
