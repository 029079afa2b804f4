// Whatever becomes of a text that users write, nothing but a ConfigError is thrown: the program ends with one line that
// says what to mend.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "core/random.h"
#include "formats/csv.h"
#include "formats/json.h"
#include "placement/files/formats.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "support/rounds.h"
#include "support/temporary_folder.h"

namespace moesim::placement {
namespace {

/// One change: a byte, a piece left out, doubled or moved, a number or a word that is dangerous somewhere.
std::string mutated(std::string text, Random& random) {
  static const std::vector<std::string> tokens = {"-1",         "0",
                                                  "4294967297", "-9223372036854775808",
                                                  "1e999",      "nan",
                                                  ".inf",       "-0",
                                                  "2147483647", "9999999999999999999",
                                                  "[",          "]",
                                                  "{",          "}",
                                                  ",",          ":",
                                                  "&a ",        "*a",
                                                  "\"",         "~",
                                                  "\\u",        "- ",
                                                  "? ",         "---\n",
                                                  "null",       "!",
                                                  "%",          "|",
                                                  "\n",         "\xff"};
  const auto at = [&] { return std::size_t(random.below(text.size() + 1)); };
  const std::size_t first = at(), last = std::min(text.size(), first + random.below(20));
  switch (random.below(6)) {
    case 0:
      if (first < text.size()) text[first] = char(random.below(256));
      return text;
    case 1:
      return text.substr(0, first);
    case 2:
      return text.insert(at(), text.substr(first, last - first));
    case 3:
      return text.erase(first, last - first);
    case 4: {  // a number becomes another
      const std::size_t digit = text.find_first_of("0123456789", first);
      if (digit == std::string::npos) return text;
      const std::size_t end = text.find_first_not_of("0123456789", digit);
      return text.replace(digit, std::min(end, text.size()) - digit, tokens[random.below(10)]);
    }
    default:
      return text.insert(first, tokens[random.below(tokens.size())]);
  }
}

/// Reads many mutations of a text that is right; returns how many of them were refused.
int refused(const std::string& right, const std::function<void(const std::string&)>& read) {
  EXPECT_NO_THROW(read(right)) << right;
  int out = 0;
  for (int seed = 0; seed < test::rounds(300); ++seed) {
    Random random(seed, "mutations");
    std::string text = right;
    for (std::uint64_t n = 1 + random.below(3); n > 0 && !text.empty(); --n) text = mutated(text, random);
    try {
      read(text);
    } catch (const ConfigError& e) {
      ++out;
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    } catch (const std::exception& e) {
      ADD_FAILURE() << "seed " << seed << ": " << e.what() << "\n" << text;
    }
  }
  return out;
}

constexpr const char* kModel =
    "architecture: mixtral\nvocabulary: 320\nhidden: 64\nlayers: 4\nnorm_epsilon: 1e-5\n"
    "attention: {kind: GQA, heads: 8, kv_heads: 2, head_dim: 8, v_head_dim: 8, sliding_window: 16, sliding_layers: [0, "
    "2]}\n"
    "moe: {expert_width: 96, experts: 8, top_k: 2, selection: topk_softmax, normalise: true}\n"
    "rope: {theta: 1000000}\n";
constexpr const char* kCluster =
    "node:\n  gpu: {generation: hopper, sms: 132, memory: 80 GiB, memory_bandwidth: 3.35 TB/s, bf16: 989 TFLOP/s,\n"
    "        nvlink: 450 GB/s, power: 700 W}\n  gpus: 8\n  nics: 8\n  nic: 400 Gbps\nnodes: 4\n"
    "fabric: {kind: rail_leaf_spine, same_leaf_latency: 2 us, cross_leaf_latency: 4 us, nvlink_latency: 1 us}\n";

TEST(MutatedText, OfModelsAndClusters) {
  const auto count = [](const spec::Model& m) { EXPECT_GE(spec::count_parameters(m).total(), 0); };
  EXPECT_GT(refused(kModel, [&](const std::string& text) { count(spec::read_model(Config::from_text(text, "m"))); }),
            test::rounds(50));
  EXPECT_GT(refused(kCluster, [](const std::string& text) { spec::read_cluster(Config::from_text(text, "c")); }),
            test::rounds(50));
}

TEST(MutatedText, OfConfigJson) {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& text) {
    const spec::Model m = spec::load_model(folder.write("config.json", text));
    EXPECT_GE(spec::count_parameters(m).total(), 0) << text;
  };
  EXPECT_GT(
      refused(R"({"model_type": "deepseek_v3", "vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 4,)"
              R"( "num_attention_heads": 4, "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8,)"
              R"( "qk_rope_head_dim": 4, "v_head_dim": 8, "intermediate_size": 96, "moe_intermediate_size": 32,)"
              R"( "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1,)"
              R"( "moe_layer_freq": 1, "n_group": 2, "topk_group": 1, "rms_norm_eps": 1e-06,)"
              R"( "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}})",
              read),
      test::rounds(50));
  EXPECT_GT(refused(R"({"model_type": "llama4", "text_config": {"vocab_size": 128, "hidden_size": 64,)"
                    R"( "num_hidden_layers": 4, "num_attention_heads": 4, "num_local_experts": 4,)"
                    R"( "intermediate_size": 96, "intermediate_size_mlp": 64, "interleave_moe_layer_step": 2,)"
                    R"( "no_rope_layers": [1, 1, 1, 0], "attention_chunk_size": 32}})",
                    read),
            test::rounds(50));
}

TEST(MutatedText, OfPlacements) {
  const ModelPlacement placement{{1, 2}, {{4, 2, 2, {0, 1, 2, 3}}, {4, 2, 2, {3, 2, 1, 0}}}, 3, 2, "greedy"};
  for (const auto& [name, format] : enum_names(PlacementFormat{})) {
    SCOPED_TRACE(name);
    const auto read = [](const std::string& text) { placement_from_text(text, "p", {.gpus = 2}); };
    EXPECT_GT(refused(placement_text(placement, format), read), test::rounds(50));
  }
}

TEST(MutatedText, OfTables) {
  EXPECT_GT(refused("a,b,c\n1,2.5,x\n3,4,\"y, z\"\n5,6,\n",
                    [](const std::string& text) {
                      formats::CsvFile csv(formats::LineFile::of_text(text, "t"));
                      csv.read_names();
                      while (csv.next()) csv.count(csv.column("a")), csv.seconds(csv.column("b"));
                    }),
            test::rounds(50));
  EXPECT_GT(refused(R"({"a": [1, 2.5, {"b": "c"}], "d": null})",
                    [](const std::string& text) {
                      const formats::JsonValue value = formats::parse_json(text, "j");
                      const formats::JsonObject json(value, "j");
                      json.list_at("a");
                      json.text_or("d", "");
                    }),
            test::rounds(50));
}
}  // namespace
}  // namespace moesim::placement
