// What recordings say of their own shape, and what is left out of them.
#include <fmt/format.h>

#include "routing/exporters/exporters.h"
#include "support/byte_builders.h"
#include "support/refusal.h"
#include "unit/routing/import_fixture.h"

namespace moesim::routing {
namespace {
using namespace bytes;

// Three passes of two layers and three experts; nothing was counted in the second.
TEST_F(Import, PassesThatCountedNothingAreLeftOutOfSglangsSums) {
  const std::string file = torch_file(
      dictionary({{"rank", integer(0)}, {"logical_count", tensor("IntStorage", "0", 18, {3, 2, 3}, {6, 3, 1})}}),
      {{"0", raw<std::int32_t>({1, 2, 1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 1})}});
  ImportOptions options;
  options.top_k = 1;
  const Trace t = run({folder.write("a.pt", file)}, options);
  EXPECT_EQ(load(t, 0), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(load(t, 1), (std::vector<std::int64_t>{3, 2, 1}));
  EXPECT_TRUE(notes_mention(t, "1 of 3 recorded passes are empty and were left out"));
}

// Four physical experts are of logical ones 0 to 3 at most.
TEST_F(Import, AMapThatNamesMoreExpertsThanItHasIsRefused) {
  const auto with = [&](std::int64_t last) {
    const std::string record = dictionary({{"forward_pass_id", integer(7)},
                                           {"rank", integer(0)},
                                           {"global_physical_count", tensor("IntStorage", "c", 4, {1, 4}, {4, 1})}});
    const std::string file =
        torch_file(dictionary({{"records", list({record})},
                               {"last_physical_to_logical_map", tensor("LongStorage", "m", 4, {1, 4}, {4, 1})}}),
                   {{"m", raw<std::int64_t>({0, 1, 2, last})}, {"c", raw<std::int32_t>({1, 1, 1, 1})}});
    ImportOptions options;
    options.top_k = 1;
    return test::refusal_of([&] { run({folder.write("a_0.pt", file)}, options); });
  };
  EXPECT_EQ(with(3), "accepted");
  EXPECT_NE(with(4).find("names logical expert 4"), std::string::npos) << with(4);
}

/// Replies whose tensors say their shapes: rows, layers, choices.
std::string shaped(const std::vector<std::array<int, 3>>& shapes) {
  std::string out;
  for (const auto& [rows, layers, top_k] : shapes) {
    std::vector<std::int16_t> ids;
    for (int i = 0; i < rows * layers; ++i)
      for (int k = 0; k < top_k; ++k) ids.push_back(std::int16_t(i + k));
    out += fmt::format(
        R"({}{{"meta_info":{{"prompt_tokens":2,"completion_tokens":{},"routed_experts":{{"data":"{}","shape":[{},{},{}],"dtype":"int16"}}}}}})",
        out.empty() ? "" : ",", rows, base64(raw(ids)), rows, layers, top_k);
  }
  return "[" + out + "]";
}

// Three rows of two layers and one choice.
TEST_F(Import, ATensorsShapeIsRowsThenLayersThenChoices) {
  const Trace t = run({folder.write("a.json", shaped({{3, 2, 1}}))});
  EXPECT_EQ(t.layers(), 2);
  EXPECT_EQ(t.header().top_k, 1);
  EXPECT_EQ(choices(t, 0), (std::vector<int>{0, 2, 4}));
  EXPECT_EQ(choices(t, 1), (std::vector<int>{1, 3, 5}));
}

TEST_F(Import, RepliesOfOtherLayersOrOtherChoicesDoNotGoTogether) {
  const auto said = [&](const std::vector<std::array<int, 3>>& shapes) {
    return test::refusal_of([&] { run({folder.write("a.json", shaped(shapes))}); });
  };
  EXPECT_EQ(said({{2, 3, 2}, {1, 3, 2}}), "accepted");
  for (const std::array<int, 3>& other : {std::array{2, 2, 2}, {2, 3, 1}})
    EXPECT_NE(said({{2, 3, 2}, other}).find("has another shape than the replies before"), std::string::npos)
        << said({{2, 3, 2}, other});
}

TEST_F(Import, AModelMayHaveOneMoeLayer) {
  const std::string schema =
      R"({"dtype":"int32","layout":"row_major","id_space":"logical_global","num_layers":1,"top_k":2,"moe_layer_ids":[3],)"
      R"("input_num_rows":2,"output_num_rows":0,"input_start_position":0,"output_start_position":1})";
  const Trace t =
      run({folder.write("a.json", R"([{"meta_info":{"input_expert_ids":")" + base64(raw<std::int32_t>({1, 0, 3, 2})) +
                                      R"(","expert_ids_schema":)" + schema + "}}]")});
  EXPECT_EQ(t.header().layers, std::vector<int>{3});
  EXPECT_EQ(choices(t, 0), (std::vector<int>{1, 0, 3, 2}));
}

// The answers' ids are there, the prompts' are not.
TEST_F(Import, TokenIdsAreKeptWhereOnlyAnswersHaveThem) {
  const std::string tensor_text =
      R"({"data":")" + base64(raw<std::int16_t>({1, 0, 2, 3, 3, 1})) + R"(","shape":[3,1,2],"dtype":"int16"})";
  const auto reply = [&](const std::string& more) {
    return R"([{)" + more + R"("meta_info":{"prompt_tokens":2,"completion_tokens":2,"routed_experts":)" + tensor_text +
           "}}]";
  };
  const Trace answers = run({folder.write("a.json", reply(R"("output_ids":[7,8],)"))});
  EXPECT_TRUE(answers.header().token_ids);
  EXPECT_TRUE(notes_mention(answers, "the replies do not hold the prompts' token ids"));
  std::vector<TraceToken> tokens;
  answers.read_tokens(0, 3, tokens);
  EXPECT_EQ(tokens[1].token, -1);
  EXPECT_EQ(tokens[2].token, 7);
  const Trace prompts = run({folder.write("b.json", reply(R"("input_ids":[4,5],)"))});
  EXPECT_TRUE(prompts.header().token_ids);
  EXPECT_FALSE(run({folder.write("c.json", reply(""))}).header().token_ids);
}

// NumPy's data begins at a multiple of 64 bytes, however many digits the shape has.
TEST_F(Import, NumpyArraysAreAligned) {
  for (const int tokens : {1, 10, 100, 1000, 10000, 100000}) {
    TraceHeader h;
    h.layers = {0};
    h.experts = 2;
    h.top_k = 1;
    const std::string file = folder.file(fmt::format("t{}.db", tokens));
    TraceWriter writer(file, h);
    writer.add(std::vector<TraceToken>(std::size_t(tokens)), std::vector<std::int16_t>(std::size_t(tokens), 1));
    writer.finish();
    std::string text;
    exporter("npy").write(Trace(file), [&](std::string_view piece) { text += piece; });
    const std::size_t header = text.size() - std::size_t(tokens) * 2;
    EXPECT_EQ(header % 64, 0u) << tokens;
    EXPECT_EQ(std::size_t(std::uint8_t(text[8])) + 256 * std::size_t(std::uint8_t(text[9])), header - 10);
    EXPECT_EQ(text[header - 1], '\n');
  }
}

// What a plain tensor of replies holds by row: later rows too have a say in how many layers that is.
TEST_F(Import, RowsOfRepliesAreReadAsAllOfThemCanBe) {
  const auto reply = [&](const std::vector<std::int32_t>& ids) {
    return folder.write("a.json", R"([{"meta_info":{"prompt_tokens":2,"completion_tokens":1,"routed_experts":")" +
                                      bytes::base64(bytes::raw(ids)) + R"("}}])");
  };
  // The first row might be one layer with top-4; the second has an expert twice.
  const Trace t = run({reply({2, 1, 3, 0, 2, 1, 1, 0})});
  EXPECT_EQ(t.header().top_k, 2);
  EXPECT_EQ(choices(t, 0), (std::vector<int>{2, 1, 2, 1}));
  EXPECT_EQ(choices(t, 1), (std::vector<int>{3, 0, 1, 0}));
  // A layer of zeros is a dense one, and so in every row.
  EXPECT_EQ(run({reply({0, 0, 3, 1, 0, 0, 1, 2})}).header().top_k, 2);
  EXPECT_EQ(test::refusal_of([&] {
              run({reply({0, 0, 3, 1, 2, 1, 1, 0})});
            }),
            folder.file("a.json") + ": reply 0: the layers and top-k cannot be told apart; give --model or --top-k");
}
}  // namespace
}  // namespace moesim::routing
