// Wrong and damaged recordings: one line that names file and place, and nothing left behind.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include "core/random.h"
#include "reject/routing/import_refusal.h"

namespace moesim::routing {
namespace {

TEST_F(ImportReject, APickleMayHoldPlainDataAndTensorsOnly) {
  const auto torch = [](const std::string& root) { return zip({{"x/data.pkl", "\x80\x02" + root}}); };
  // The pickle begins after the entry's header of 30 bytes and its name of 10.
  EXPECT_EQ(refused("a.pt", torch("cos\nsystem\n(X\x02\0\0\0lstR.")),
            "a.pt: byte 42: the pickle asks for \"os system\", which plain data and tensors do not need");
  EXPECT_EQ(refused("a.pt", torch("cbuiltins\neval\n.")),
            "a.pt: byte 42: the pickle asks for \"builtins eval\", which plain data and tensors do not need");
  EXPECT_EQ(refused("a.pt", torch("(ios\nsystem\n.")),
            "a.pt: byte 43: pickle opcode 0x69 is not one that plain data needs");
  EXPECT_EQ(refused("a.pt", torch("}b.")), "a.pt: byte 43: pickle opcode 0x62 is not one that plain data needs");
  EXPECT_EQ(refused("a.pt", torch("\x81.")), "a.pt: byte 42: pickle opcode 0x81 is not one that plain data needs");
  EXPECT_EQ(refused("a.pt", torch("ccollections\nOrderedDict\n(K\x01tR.")),
            "a.pt: byte 71: the pickle calls \"collections OrderedDict\" in an unknown way");
  EXPECT_EQ(refused("a.pt", zip({{"x/data.pkl", "\x80\x04}."}})), "a.pt: byte 40: expected pickle protocol 2, got 4");
  EXPECT_EQ(refused("a.pt", torch("}(X\x05")), "a.pt: byte 44: the pickle ends within an opcode, after 6 bytes");
  EXPECT_EQ(refused("a.pt", torch("h\x07.")), "a.pt: byte 42: the pickle recalls value 7, which it did not remember");
  EXPECT_EQ(refused("a.pt", torch("e.")), "a.pt: byte 42: the pickle ends a list that it did not begin");
  EXPECT_EQ(refused("a.pt", torch("r\xff\xff\xff\x7f.")),
            "a.pt: byte 42: the pickle remembers value 2147483647 after 0");
  EXPECT_EQ(refused("a.pt", torch("N.")), "a.pt: \"records\": expected a list");
}

TEST_F(ImportReject, ATensorMustLieInItsStorage) {
  const std::string data = raw(kCounts);
  EXPECT_EQ(refused("a.pt", stat_file(tensor("IntStorage", "0", 6, {1, 2, 4}, {8, 4, 1}), data)).substr(0, 5), "a.pt:");
  EXPECT_NE(refused("a.pt", stat_file(tensor("IntStorage", "0", 6, {1, 2, 4}, {8, 4, 1}), data))
                .find("reaches past the 6 elements of its storage"),
            std::string::npos);
  EXPECT_NE(refused("a.pt", stat_file(tensor("IntStorage", "0", 600, {100, 2, 3}, {6, 3, 1}), data))
                .find("needs 2400 bytes, its storage has 24"),
            std::string::npos);
  EXPECT_NE(refused("a.pt", stat_file(tensor("IntStorage", "0", 2000000000, {2000000000, 1, 1}, {0, 1, 1}), data))
                .find("a tensor repeats its elements"),
            std::string::npos);
  EXPECT_EQ(refused("a.pt", stat_file(tensor("IntStorage", "7", 6, {1, 2, 3}, {6, 3, 1}), data)),
            "a.pt: logical_count: its storage \"x/data/7\" is not in the file");
  EXPECT_EQ(refused("a.pt", stat_file(tensor("IntStorage", "0", 6, {2, 3}, {3, 1}), data)),
            "a.pt: logical_count: expected 3 dimensions, got [2, 3]");
}

TEST_F(ImportReject, CutOffFiles) {
  const std::string pt = stat_file(tensor("IntStorage", "0", 6, {1, 2, 3}, {6, 3, 1}), raw(kCounts));
  for (const std::size_t size : {std::size_t(50), pt.size() / 2, pt.size() - 1}) {
    const std::string message = refused("a.pt", pt.substr(0, size));
    EXPECT_EQ(message,
              "a.pt: byte " + std::to_string(size) + ": the ZIP file has no directory at its end; is it cut off");
  }
  const std::string array = npy("<i4", "(2, 2, 2)", raw<std::int32_t>({3, 1, 2, 0, 0, 2, 1, 3}));
  EXPECT_EQ(refused("a.npy", array.substr(0, array.size() - 4)),
            "a.npy: byte 128: an array [2, 2, 2] of int32 needs more bytes, but 28 follow");
  EXPECT_EQ(refused("a.npy", array.substr(0, 60)), "a.npy: byte 8: the header claims 118 bytes, but 50 follow");
  EXPECT_EQ(refused("a.npy", array.substr(0, 8)), "a.npy: byte 0: 8 bytes are too few for a .npy array");
  const std::string gguf = imatrix({{1, std::vector<float>(40, 1)}}, 1, 1);
  EXPECT_NE(refused("a.gguf", gguf.substr(0, gguf.size() - 64))
                .find("tensor \"blk.1.ffn_gate_exps.weight.counts\" reaches past the end of the file"),
            std::string::npos);
  EXPECT_NE(refused("a.gguf", gguf.substr(0, 100)).find("the file ends at byte 100"), std::string::npos);
  folder.write("meta_info.json", R"({"num_experts":4,"num_experts_per_token":2})");
  const std::string safe = safetensors({{"1_3", "I64", "[4]", raw<std::int64_t>({2, 1, 1, 0})}});
  EXPECT_NE(refused("rank0.safetensors", safe.substr(0, safe.size() - 8)).find("truncated"), std::string::npos);
  EXPECT_EQ(refused("a.json", R"([{"meta_info":{"routed_experts":"AAAA)").substr(0, 20), "a.json: is not JSON:");
}

TEST_F(ImportReject, NumbersInAFileDoNotTakeMemory) {
  const std::string huge[] = {npy("<i4", "(9000000000000000000, 4, 4)", "1234"),
                              npy("<i4", "(4000000000, 4000000000, 4000000000)", "1234")};
  for (const std::string& f : huge)
    EXPECT_NE(refused("a.npy", f).find("needs more bytes, but 4 follow"), std::string::npos);
  std::string gguf = imatrix({{1, {1, 2}}}, 1, 1);
  const std::size_t dims = gguf.find("counts") + 6 + 4 + 8;
  gguf.replace(dims, 8, le(std::uint64_t{1} << 60));
  EXPECT_NE(refused("a.gguf", gguf).find("reaches past the end of the file"), std::string::npos);
  EXPECT_NE(refused("a.pt", zip({{"x/data.pkl", std::string("\x80\x02X\xff\xff\xff\x7f", 7)}}))
                .find("the pickle ends within an opcode"),
            std::string::npos);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(usage.ru_maxrss, 500'000);  // KiB
#endif
}

TEST_F(ImportReject, WrongRankAndType) {
  EXPECT_EQ(refused("a.npy", npy("<i4", "(2, 1, 1, 1)", raw<std::int32_t>({1, 2}))),
            "a.npy: expected integers [tokens, layers, top-k] or [tokens, layers], got int32 [2, 1, 1, 1]");
  ImportOptions ids;
  ids.format = "npy";
  EXPECT_EQ(refused("a.npy", npy("<f4", "(1, 1, 2)", raw<float>({1, 2})), ids),
            "a.npy: expected integers [tokens, layers, top-k] or [tokens, layers], got float32 [1, 1, 2]");
  EXPECT_EQ(refused("a.npy", npy(">i4", "(1, 1, 1)", "1234")),
            "a.npy: byte 0: expected little-endian integers or floats, got dtype \">i4\"");
  EXPECT_EQ(refused("a.npy", npy("|O", "(1, 1, 1)", "1234")),
            "a.npy: byte 0: expected little-endian integers or floats, got dtype \"|O\"");
  EXPECT_EQ(refused("a.npz", zip({{"input_ids.npy", npy("<i4", "(1, 2)", "12345678")},
                                  {"router_logits_0.npy", npy("<i4", "(2, 1)", "12345678")}})),
            "a.npz: router_logits_0.npy: expected floats [2 tokens, experts], got int32 [2, 1]");
}

TEST_F(ImportReject, IdsBeyondTheExperts) {
  ImportOptions options;
  options.experts = 4;
  EXPECT_EQ(refused("a.npy", npy("<i4", "(2, 2, 2)", raw<std::int32_t>({3, 1, 2, 0, 0, 2, 1, 4})), options),
            "a.npy: tokens from 0: token 1, layer 1: names expert 4 of 4");
  EXPECT_EQ(refused("a.npy", npy("<i4", "(1, 2, 2)", raw<std::int32_t>({3, 1, -2, 0})), options),
            "a.npy: tokens from 0: token 0, layer 1: names expert -2 of 4");
  EXPECT_EQ(refused("a.npy", npy("<i4", "(1, 2, 2)", raw<std::int32_t>({3, 1, 2, 2})), options),
            "a.npy: tokens from 0: token 0, layer 1: names expert 2 twice");
  options.experts = 384;
  EXPECT_EQ(refused("a.npy", npy("|u1", "(1, 2, 2)", raw<std::uint8_t>({3, 1, 2, 0})), options),
            "a.npy: its ids have 8 bits, too few for 384 experts");
}

TEST_F(ImportReject, RaggedTokens) {
  const auto line = [](int layer, const std::string& ids, int n, int k = 2) {
    return R"({"step":0,"block":"decoder","layer":)" + std::to_string(layer) + R"(,"num_tokens":)" + std::to_string(n) +
           R"(,"topk":)" + std::to_string(k) + R"(,"top_indices":)" + ids + "}\n";
  };
  EXPECT_EQ(refused("a.jsonl", line(1, "[[0,1],[1,0]]", 2) + line(2, "[[0,1]]", 1)),
            "a.jsonl:2: layer 2 has 1 tokens, layer 1 of the same step 2");
  EXPECT_EQ(refused("a.jsonl", line(1, "[[0,1],[1]]", 2)), "a.jsonl:1: top_indices: a token has 1 choices, expected 2");
  EXPECT_EQ(refused("a.jsonl", line(1, "[[0,1]]", 2)), "a.jsonl:1: top_indices: expected 2 lists, one a token");
  EXPECT_EQ(refused("a.jsonl", line(1, "[[0,1]]", 1) + "{\"step\":\n"), "a.jsonl:2: is not JSON: byte 9");
  EXPECT_EQ(refused("a.json", R"({"choices":[{"routed_experts":[[[0,1]],[[0,1],[1,0]]]}]})"),
            "a.json: reply 0: routed_experts: row 1 has 2 layers, the rows before 1");
  EXPECT_EQ(refused("a.json", R"([[1,2],[3]])"), "a.json: layer 1 has 1 experts, those before 2");
  EXPECT_EQ(refused("a.csv", "1,2\n3,4,5\n"), "a.csv:2: has 3 numbers, the rows before 2");
  EXPECT_EQ(refused("a.csv", "layer,expert,count\n0,0,5\n1,1,6\n"),
            "a.csv:1: has a line for each count; expected one a layer, with all its experts");
  EXPECT_EQ(refused("a.csv", ",e0,e1\n1,1,2\n1,3,4\n"), "a.csv:3: expected a layer number of at least 2, got 1");
  EXPECT_EQ(refused("a.csv", "1,2\n3,x\n"), "a.csv:2: expected a number, got \"x\"");
}

TEST_F(ImportReject, RepliesThatDoNotAddUp) {
  const std::string ids = base64(raw<std::int32_t>({1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(refused("a.json",
                    R"([{"meta_info":{"prompt_tokens":2,"completion_tokens":1,"routed_experts":")" + ids + R"("}}])"),
            "a.json: reply 0: 7 ids do not make 2 rows of equal length");
  EXPECT_EQ(refused("a.json", R"([{"meta_info":{"prompt_tokens":2,"completion_tokens":1,"routed_experts":"A*AA"}}])"),
            "a.json: reply 0: routed_experts: is not base64: character 1");
  EXPECT_EQ(refused("a.json", R"({"choices":[{"routed_experts":"nrlre1:int16:x:AAAA"}]})"),
            "a.json: reply 0: routed_experts: the nrlre1 envelope is not read; ask the server for vLLM's own form");
}

TEST_F(ImportReject, RepliesThatMayBeReadInTwoWays) {
  // Rows of 6 different ids: two layers with top-3, three with top-2, or one with top-6.
  const std::string ids = base64(raw<std::int32_t>({2, 4, 1, 3, 5, 0}));
  const std::string reply =
      R"([{"meta_info":{"prompt_tokens":2,"completion_tokens":0,"routed_experts":")" + ids + R"("}}])";
  EXPECT_EQ(refused("a.json", reply),
            "a.json: reply 0: a row of 6 ids may be 3 layers with top-2 or 2 layers with top-3 or 1 layer with top-6, "
            "which the reply does not say; give --model or --top-k");
}

TEST_F(ImportReject, TensorsThatAreNotWhatTheySay) {
  const auto of = [](const std::string& shape, const std::string& type, const std::string& data) {
    return R"({"choices":[{"routed_experts":{"data":")" + base64(data) + R"(","shape":)" + shape + R"(,"dtype":")" +
           type + R"("}}]})";
  };
  const std::string two = raw<std::int16_t>({1, 0});
  EXPECT_EQ(refused("a.json", of("[1,2]", "int16", two)),
            "a.json: reply 0: routed_experts: shape: expected [tokens, layers, top-k], got [1,2]");
  EXPECT_EQ(refused("a.json", of("[1,1,3]", "int16", two)),
            "a.json: reply 0: routed_experts: data: 3 ids of int16 need 6 bytes, got 4");
  EXPECT_EQ(refused("a.json", of("[1,1,2]", "int61", two)),
            "a.json: reply 0: routed_experts: dtype: no integers are called \"int61\"; did you mean \"int64\"?");
  EXPECT_EQ(refused("a.json", of("[1,1,2]", "uint16", raw<std::uint16_t>({40000, 1}))),
            "a.json: reply 0: routed_experts: data: an expert id of 40000 is none");
  for (const std::int64_t id : {-(std::int64_t{1} << 40), std::int64_t{1} << 40, std::int64_t{INT16_MAX} + 1})
    EXPECT_EQ(refused("a.json", of("[1,1,2]", "int64", raw<std::int64_t>({id, 1}))),
              "a.json: reply 0: routed_experts: data: an expert id of " + std::to_string(id) + " is none");
  EXPECT_EQ(refused("a.json", R"({"choices":[{"routed_experts":7}]})"),
            "a.json: reply 0: routed_experts: expected lists, base64 text or an object with data and shape");
}

TEST_F(ImportReject, MegatronStagesOfOtherTokens) {
  const std::string first = R"({"step":0,"layer":1,"rank":0,"num_tokens":2,"topk":1,"top_indices":[[0],[1]]})",
                    second = R"({"step":0,"layer":2,"rank":1,"num_tokens":1,"topk":1,"top_indices":[[0]]})";
  const std::string a = folder.write("r0.jsonl", first + "\n"), b = folder.write("r1.jsonl", second + "\n");
  ImportOptions options;
  options.output = folder.file("out.db");
  try {
    import_trace({a, b}, options);
    ADD_FAILURE() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()), b + ":1: has 1 tokens, but " + a + ":1 has 2 of the layers before");
  }
}

TEST_F(ImportReject, CountsThatCannotBe) {
  EXPECT_EQ(refused("a.json", "[[1,2],[3,-4]]"), "a.json: layer 1, expert 1: a count of -4 cannot be");
  EXPECT_EQ(refused("a.json", "[[0,0],[0,0]]"), "a.json: every count is zero");
  ImportOptions options;
  options.top_k = 2;
  EXPECT_EQ(refused("a.json", "[[10,2,2]]", options),
            "a.json: layer 0: expert 0 has 10 choices of 7 tokens; is top-k right");
}

TEST_F(ImportReject, TheModelMustFit) {
  ImportOptions options;
  options.model = "deepseek-v3";
  EXPECT_EQ(refused("a.npy", npy("<i4", "(1, 2, 2)", raw<std::int32_t>({3, 1, 2, 0})), options),
            "a.npy: has 2 layers, but deepseek-v3 has 61, 58 of them MoE layers");
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 58 * 4; ++i) ids.push_back(i % 4);
  EXPECT_EQ(refused("a.npy", npy("<i4", "(1, 58, 4)", raw(ids)), options),
            "a.npy: has 4 choices a token, but deepseek-v3 uses 8");
  options.layers = "all";
  EXPECT_EQ(refused("a.npy", "x", options), "--layers: expected hidden or moe, got \"all\"");
}

TEST_F(ImportReject, UnknownFormats) {
  EXPECT_EQ(refused("a.bin", "hello").substr(0, 60), "a.bin: its format is not recognised; name it with --format (");
  EXPECT_EQ(refused("a.bin", ""), "a.bin: is empty");
  ImportOptions options;
  options.format = "megatrn";
  EXPECT_EQ(refused("a.bin", "x", options),
            "--format: no import format is called \"megatrn\"; did you mean \"megatron\"?");
}

TEST_F(ImportReject, NestingHasALimit) {
  // Each list is appended to the one before; and one list to itself.
  std::string deep = "\x80\x02]";
  for (int i = 0; i < 300'000; ++i) deep += "]";
  for (int i = 0; i < 300'000; ++i) deep += "a";
  EXPECT_EQ(refused("a.pt", zip({{"x/data.pkl", deep + "."}})), "a.pt: \"records\": expected a list");
  EXPECT_EQ(refused("a.pt", zip({{"x/data.pkl", std::string("\x80\x02]q\0h\0a.", 9)}})),
            "a.pt: \"records\": expected a list");
  const std::string lists = std::string(100'000, '[');
  EXPECT_EQ(refused("a.json", R"({"meta_info":{"routed_experts":)" + lists),
            "a.json: byte 129: lists nest deeper than 100");
  EXPECT_EQ(refused("a.json", lists + std::string(100'000, ']')), "a.json: byte 100: lists nest deeper than 100");
}

// Any single byte wrong, any cut: an error of ours or a trace, never a crash.
TEST_F(ImportReject, DamageAnywhereIsAnErrorOrHarmless) {
  const std::string files[] = {
      stat_file(tensor("IntStorage", "0", 6, {1, 2, 3}, {6, 3, 1}), raw(kCounts)),
      npy("<i4", "(2, 2, 2)", raw<std::int32_t>({3, 1, 2, 0, 0, 2, 1, 3})), imatrix({{1, {6, 2, 4, 4}}}, 2, 4),
      zip({{"input_ids.npy", npy("<i8", "(1, 2)", raw<std::int64_t>({8, 9}))},
           {"router_logits_0.npy", npy("<f4", "(2, 4)", raw<float>({0, 3, 1, 2, 5, 0, 0, -1}))}},
          true)};
  Random random(4, "damage");
  for (const std::string& good : files)
    for (int round = 0; round < 60; ++round) {
      std::string bad = good;
      bad[random.below(bad.size())] = char(random.bits());
      if (round % 3 == 0) bad.resize(random.below(bad.size()));
      const std::string file = folder.write("a.bin", bad);
      ImportOptions options;
      options.output = folder.file("out.db");
      options.top_k = 1;
      try {
        import_trace({file}, options);
      } catch (const ConfigError& e) {
        EXPECT_FALSE(std::filesystem::exists(options.output)) << e.what();
      }
      std::filesystem::remove(options.output);
    }
}
}  // namespace
}  // namespace moesim::routing
