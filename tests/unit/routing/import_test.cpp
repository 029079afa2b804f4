// Importers on files built here: what each format says must come out, and what it lacks must be said.  Those of serving
// and training systems are in import_engines_test.cpp.
#include "core/random.h"
#include "routing/exporters/exporters.h"
#include "support/byte_builders.h"
#include "unit/routing/import_fixture.h"

namespace moesim::routing {
namespace {
using namespace bytes;

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
      folder.write("pandas.csv", ",e0,e1,e2,e3,e4,e5\n0,30,10,5,5,0,10\n1,20,20,0,10,5,5\n"),
      folder.write("numbered.csv", "layer,e0,e1,e2,e3,e4,e5\n0,30,10,5,5,0,10\n1,20,20,0,10,5,5\n"),
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
    tokens.push_back({0, t / 20, t % 20, t, t % 20 < 15 ? TracePhase::prefill : TracePhase::decode, 0});
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
