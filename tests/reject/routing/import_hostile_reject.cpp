// Recordings whose numbers stand for more than the file holds, or for what cannot be.
#include "reject/routing/import_refusal.h"

namespace moesim::routing {
namespace {

TEST_F(ImportReject, FewRecordsDoNotStandForManyTokensAndLayers) {
  std::string lines, tokens, steps, few;
  for (int i = 0; i < 4000; ++i) {
    const std::string n = std::to_string(i);
    lines += R"({"layer":)" + n + R"(,"experts":[0,1],"token_idx":)" + n + R"(,"problem_id":"p","dataset":"d"})" + "\n";
    tokens += R"({"sequence":0,"position":)" + n + R"(,"layers":{")" + n + R"(":{"experts":[0,1]}}})" + "\n";
    if (i == 29) few = tokens;
    steps += R"({"step":)" + n + R"(,"layer":)" + n + R"(,"num_tokens":1,"topk":2,"top_indices":[[0,1]]})" + "\n";
  }
  for (const std::string& file : {lines, tokens, steps}) {
    const std::string message = refused("a.jsonl", file);
    EXPECT_NE(message.find("choices, one for each token and layer; are tokens or layers numbered wrongly"),
              std::string::npos)
        << message;
  }
  // 30 tokens of 30 layers, one choice each: gaps, but few
  ImportOptions options;
  options.output = folder.file("gaps.db");
  import_trace({folder.write("a.jsonl", few)}, options);
  EXPECT_EQ(Trace(options.output).layers(), 30);
  EXPECT_EQ(Trace(options.output).tokens(), 30);
}

TEST_F(ImportReject, OneIdDoesNotMakeTablesOfGigabytes) {
  std::vector<std::int16_t> ids(400, 1);
  ids[0] = 32'766;
  EXPECT_EQ(
      refused("a.npy", npy("<i2", "(1, 400, 1)", raw(ids))),
      "a.npy: 32767 experts in 400 layers are more than a trace counts loads of (4194304 in all); is an id wrong");
  std::vector<std::int32_t> wide(3 * 25'000);
  EXPECT_EQ(refused("a.json",
                    R"({"choices":[{"routed_experts":")" + base64(npy("<i4", "(1, 25000, 3)", raw(wide))) + R"("}]})"),
            "a.json: reply 0: routed_experts: expected up to 10000 layers and top-64, got [1, 25000, 3]");
  ImportOptions options;
  options.format = "npy-loads";
  options.tokens = 1'000'000;
  options.top_k = 64;
  EXPECT_EQ(refused("a.npy", npy("|u1", "(300, 64)", std::string(300 * 64, '\1')), options),
            "--tokens: expected at most 55924 for 300 layers with top-64, got 1000000");
}

// One layer without experts, and others with some: their numbers were once read for both.
TEST_F(ImportReject, ALayerOfNoExpertsIsNotLikeTheNext) {
  EXPECT_EQ(refused("a.gguf", imatrix({{1, {}}, {2, {6, 2, 4, 4}}}, 2, 4)),
            "a.gguf: blk.1.ffn_gate_exps.weight.counts: counts no experts");
  EXPECT_EQ(refused("a.gguf", imatrix({{1, {6, 2, 4, 4}}, {2, {}}}, 2, 4)),
            "a.gguf: blk.2.ffn_gate_exps.weight.counts: expected counts of 4 experts, got [0, 1]");
  ImportOptions options;
  options.top_k = 2;
  const auto logits = [](const std::string& shape) { return npy("<f4", shape, ""); };
  EXPECT_EQ(refused("a.npz",
                    zip({{"input_ids.npy", npy("<i8", "(1, 2)", raw<std::int64_t>({8, 9}))},
                         {"router_logits_0.npy", logits("(1, 2, 0)")},
                         {"router_logits_1.npy", npy("<f4", "(1, 2, 2)", raw<float>({0, 3, 5, 0}))}}),
                    options),
            "a.npz: router_logits_0.npy: expected floats [2 tokens, experts], got float32 [1, 2, 0]");
  EXPECT_EQ(refused("a.csv", "layer\n0\n1,5,6\n"), "a.csv:2: no counts");
  EXPECT_EQ(refused("a.json", "[[[]],[[1,2]]]"), "a.json[0]: layer 0 has 0 experts, those before 0");
}

TEST_F(ImportReject, GateWeightsAreNumbers) {
  const auto line = [](const std::string& weights) {
    return R"({"sequence":0,"position":0,"layers":{"3":{"experts":[0,1],"weights":)" + weights + "}}}\n";
  };
  EXPECT_EQ(refused("a.jsonl", line("[0.5,-0.5]")),
            "a.jsonl:1: token 0, layer 3: a gate weight is -0.5, expected a number that is not negative");
  EXPECT_EQ(refused("a.jsonl", line("[0.5,1e300]")),
            "a.jsonl:1: token 0, layer 3: a gate weight is inf, expected a number that is not negative");
  EXPECT_EQ(refused("a.jsonl", line("[0.5]")), "a.jsonl:1: layer 3: expected 2 weights, got 1");
}

TEST_F(ImportReject, IdsDoNotWrap) {
  const auto line = [](const std::string& id) {
    return R"({"sequence":0,"position":0,"layers":{"3":{"experts":[0,)" + id + "]}}}\n";
  };
  EXPECT_EQ(refused("a.jsonl", line("65539")), "a.jsonl:1: experts: expected -1 to 32767, got 65539");
  EXPECT_EQ(refused("a.jsonl", line("4294967299")), "a.jsonl:1: experts: expected -1 to 32767, got 4294967299");
  EXPECT_EQ(refused("a.jsonl", line("18446744073709551619")).substr(0, 32), "a.jsonl:1: experts: expected an ");
  EXPECT_EQ(refused("a.npy", npy("<i8", "(1, 1, 2)", raw<std::int64_t>({0, (std::int64_t{1} << 32) + 3}))),
            "a.npy: element 1 is 4294967299, too large for an id");
  ImportOptions options;
  options.experts = 8;
  EXPECT_EQ(refused("a.npy", npy("<i4", "(1, 1, 2)", raw<std::int32_t>({0, 65'539})), options),
            "a.npy: tokens from 0: token 0, layer 0: names expert 65539 of 8");
  const auto logits = [](std::int64_t id) {
    return zip({{"input_ids.npy", npy("<i8", "(1, 1)", raw<std::int64_t>({id}))},
                {"router_logits_0.npy", npy("<f4", "(1, 2)", raw<float>({0, 3}))}});
  };
  options = {};
  options.top_k = 1;
  EXPECT_EQ(refused("a.npz", logits(-7), options),
            "a.npz: tokens from 0: token 0: request 0, position 0 and id -7 must not be negative");
  EXPECT_EQ(refused("a.npz", logits((std::int64_t{1} << 32) + 3), options),
            "a.npz: input_ids.npy: element 0 is 4294967299, too large for an id");
}

TEST_F(ImportReject, RecordsOutOfOrder) {
  const auto step = [](int n, int layer) {
    return R"({"step":)" + std::to_string(n) + R"(,"layer":)" + std::to_string(layer) +
           R"(,"num_tokens":1,"topk":2,"top_indices":[[0,1]]})" + "\n";
  };
  EXPECT_EQ(refused("a.jsonl", step(5, 0) + step(3, 0)),
            "a.jsonl:2: step 3 comes after step 5; give the files of each run apart");
  const auto problem = [](const std::string& id, int token) {
    return R"({"layer":1,"experts":[0,1],"token_idx":)" + std::to_string(token) + R"(,"problem_id":")" + id + "\"}\n";
  };
  EXPECT_EQ(refused("a.jsonl", problem("p", 0) + problem("q", 0) + problem("p", 1)),
            "a.jsonl:3: a problem_id comes again after another; sort the lines by it");
  EXPECT_EQ(refused("a.jsonl", R"({"sequence":0,"position":0,"layers":{"01":{"experts":[0,1]}}})"),
            "a.jsonl:1: expected a layer number, got \"01\"");
  EXPECT_EQ(refused("a.npz", zip({{"input_ids.npy", npy("<i4", "(1, 1)", "1234")},
                                  {"router_logits_0.npy", npy("<f4", "(1, 2)", "12345678")},
                                  {"router_logits_2.npy", npy("<f4", "(1, 2)", "12345678")}})),
            "a.npz: has 2 layers of router_logits, but no router_logits_1");
}

TEST_F(ImportReject, RecordsThatShareTheirNumbers) {
  const std::string map = tensor("LongStorage", "m", 4, {1, 4}, {4, 1}),
                    count = tensor("IntStorage", "0", 4, {1, 4}, {4, 1});
  const auto record = [&](int pass) {
    return dictionary({{"forward_pass_id", integer(pass)}, {"global_physical_count", count}});
  };
  const std::vector<std::pair<std::string, std::string>> storages = {{"m", raw<std::int64_t>({0, 1, 2, 3})},
                                                                     {"0", raw<std::int32_t>({1, 2, 3, 4})}};
  const auto dump = [&](const std::string& records) {
    return torch_file(dictionary({{"records", records}, {"last_physical_to_logical_map", map}}), storages);
  };
  EXPECT_EQ(refused("a.pt", dump("](" + record(0) + std::string("q\0h\0e", 5))),
            "a.pt: \"records\": record 1 is there a second time");
  std::vector<std::string> many;
  for (int i = 0; i < 40; ++i) many.push_back(record(i));
  EXPECT_EQ(refused("a.pt", dump(list(many))),
            "a.pt: global_physical_count: the arrays of its records share their numbers; save copies of them");
}

/// What a reply says of its prompt is a number, not memory.
TEST_F(ImportReject, ALongPromptTakesNoMemory) {
  std::string replies;
  for (int i = 0; i < 200; ++i)
    replies += R"({"choices":[{"routed_experts":[[[0,1]],[[1,2]]]}],"usage":{"prompt_tokens":16000000}})"
               "\n";
  ImportOptions options;
  options.output = folder.file("long.db");
  import_trace({folder.write("a.jsonl", replies)}, options);
  EXPECT_EQ(Trace(options.output).tokens(), 400);
}
}  // namespace
}  // namespace moesim::routing
