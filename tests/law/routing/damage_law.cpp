// Recordings and traces damaged at random: imported, read to their ends, or refused, and nothing else.
#include <gtest/gtest.h>

#include <fstream>

#include "core/config_error.h"
#include "core/random.h"
#include "routing/exporters/exporters.h"
#include "routing/importers/import.h"
#include "routing/statistics.h"
#include "support/byte_builders.h"
#include "support/damage.h"
#include "support/rounds.h"
#include "support/temporary_folder.h"

namespace moesim::routing {
namespace {
using namespace bytes;

/// What `trace info`, `trace stats` and `trace export` do.
void read_all(const std::string& file) {
  const Trace trace(file);
  (void)info_json(trace);
  (void)statistics_json(trace, trace_statistics(trace, {1, 8}));
  for (const Exporter& e : exporters()) e.write(trace, [](std::string_view) {});
}

void hold(const std::string& good, const char* name, bool text, int most) {
  TemporaryFolder folder;
  Random random(12, name);
  ImportOptions options;
  options.format = name;
  options.output = folder.file("out.db");
  options.tokens = 20;
  for (int round = -1; round < test::rounds(most); ++round) {
    const std::string bad = round < 0 ? good : text ? test::damaged_text(good, random) : test::damaged(good, random);
    options.top_k = round % 5 == 1 ? 2 : 0;
    try {
      import_trace({folder.write("a.bin", bad)}, options);
      read_all(options.output);
    } catch (const ConfigError& e) {
      EXPECT_FALSE(std::filesystem::exists(options.output)) << name << ": " << e.what();
      EXPECT_GE(round, 0) << name << ": " << e.what();
    }
    std::filesystem::remove(options.output);
  }
}

TEST(DamageLaw, TextRecordings) {
  const std::string ids = base64(raw<std::int32_t>({1, 2, 2, 4, 2, 1, 1, 3})),  // of two layers: no other reading fits
      shaped = base64(raw<std::int16_t>({1, 2, 2, 4, 2, 1, 1, 3}));
  hold(R"({"step":0,"layer":1,"num_tokens":2,"topk":2,"block":"decoder","top_indices":[[0,1],[2,1]]})"
       "\n"
       R"({"step":1,"layer":1,"num_tokens":1,"topk":2,"top_indices":[[3,1]]})",
       "megatron", true, 100);
  hold(R"({"layer":1,"experts":[0,1],"token_idx":0,"problem_id":"p","dataset":"d","gating_probs":[0.5,0.5]})"
       "\n"
       R"({"layer":2,"experts":[2,1],"token_idx":0,"problem_id":"p","dataset":"d","gating_probs":[0.5,0.5]})",
       "token-layer", true, 100);
  hold(
      R"({"layer":1,"batch_id":3,"source_file":"s","origin_rows":[0,1],"topk_experts":[[0,1],[2,1]],"topk_weights":[[1,2],[3,4]]})",
      "token-layer", true, 100);
  hold(
      R"({"sequence":0,"position":0,"token":5,"phase":"prefill","layers":{"1":{"experts":[0,1],"weights":[0.5,0.25]}}})",
      "jsonl", true, 100);
  hold(
      R"([{"output_ids":[5],"meta_info":{"prompt_tokens":2,"completion_tokens":1,"routed_experts":")" + ids + R"("}}])",
      "sglang-reply", true, 100);
  hold(
      R"({"choices":[{"routed_experts":[[[0,1]],[[1,2]]],"token_ids":[4]}],"prompt_token_ids":[1,2],"usage":{"prompt_tokens":2}})",
      "vllm-reply", true, 100);
  hold(R"({"choices":[{"routed_experts":{"data":")" + shaped + R"(","shape":[2,2,2],"dtype":"int16","start":0}}]})",
       "vllm-reply", true, 100);
  hold(R"({"logical_count":[[1,2,3],[4,0,6]]})", "loads", true, 100);
}

TEST(DamageLaw, BinaryRecordings) {
  hold(npy("<i4", "(2, 2, 2)", raw<std::int32_t>({3, 1, 2, 0, 0, 2, 1, 3})), "npy", false, 100);
  hold(npy("<f4", "(2, 3)", raw<float>({3, 1, 2, 0, 4, 2})), "npy-loads", false, 100);
  hold(imatrix({{1, {6, 2, 4, 4}}}, 2, 4), "imatrix", false, 100);
  const std::string map = tensor("LongStorage", "m", 4, {1, 4}, {4, 1}),
                    ids = tensor("IntStorage", "0", 4, {1, 2, 2}, {4, 2, 1});
  const std::vector<std::pair<std::string, std::string>> storages = {{"m", raw<std::int64_t>({0, 1, 2, 3})},
                                                                     {"0", raw<std::int32_t>({1, 2, 3, 0})}};
  hold(torch_file(dictionary({{"records", list({dictionary({{"forward_pass_id", integer(0)},
                                                            {"topk_ids_of_layer", ids},
                                                            {"input_ids", integers({7, 8})},
                                                            {"positions", integers({0, 1})},
                                                            {"extend_seq_lens", integers({2})},
                                                            {"forward_mode", integer(1)}})})},
                              {"last_physical_to_logical_map", map}}),
                  storages),
       "sglang-recorder", false, 200);
}

TEST(DamageLaw, Traces) {
  TemporaryFolder folder;
  ImportOptions options;
  options.output = folder.file("good.db");
  import_trace(
      {folder.write(
          "a.jsonl",
          R"({"sequence":0,"position":0,"token":5,"phase":"prefill","layers":{"1":{"experts":[0,1],"weights":[0.5,0.25]}}})")},
      options);
  std::ifstream in(options.output, std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  Random random(13, "traces");
  for (int round = 0; round < test::rounds(500); ++round) {
    const std::string file = folder.write("bad.db", test::damaged(good, random));
    try {
      read_all(file);
    } catch (const ConfigError& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with(file)) << e.what();
    }
  }
}
}  // namespace
}  // namespace moesim::routing
