#include "compute/layers/explain.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/paths.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "support/command.h"
#include "support/temporary_folder.h"

namespace moesim::cli {
namespace {
using Json = nlohmann::json;

Json explained(std::vector<std::string> words) {
  words.insert(words.begin(), "explain");
  words.push_back("--json");
  const std::string text = run_command(words);
  return Json::accept(text) ? Json::parse(text) : Json(text);
}
Json operation(const Json& explained, const std::string& name) {
  for (const Json& o : explained.at("operations"))
    if (o.at("name") == name) return o;
  return {};
}
std::string refusal(std::vector<std::string> words) {
  words.insert(words.begin(), "explain");
  return run_command(words);
}

TEST(Explain, EveryModelInEveryPhase) {
  for (const std::string& name : catalogue_names("models")) {
    if (!spec::load_model(name).can_run()) continue;
    for (const char* phase : {"prefill", "decode", "training"}) {
      std::vector<std::string> words{"--model", name, "--phase", phase};
      if (std::string(phase) != "decode") words.insert(words.end(), {"--tokens", "512"});
      const Json e = explained(words);
      ASSERT_TRUE(e.is_object()) << name << ": " << e;
      double share = 0;
      for (const Json& o : e.at("operations")) {
        EXPECT_GT(o.at("time").get<double>(), 0) << name << ": " << o;
        share += o.at("share").get<double>();
      }
      EXPECT_NEAR(share, 1, 1e-9) << name;
    }
  }
}

TEST(Explain, AWholePassHasTheCataloguesOperations) {
  for (const char* name : {"deepseek-v3", "kimi-k2", "qwen3-235b-a22b", "mixtral-8x7b", "gpt-oss-120b",
                           "llama-3.1-405b", "llama-4-maverick", "gemma-3-27b"}) {
    const Json e = explained({"--model", name, "--phase", "decode", "--sequences", "4", "--context", "2047"});
    EXPECT_EQ(e.at("pass").at("flops"), spec::decode_flops(spec::load_model(name), 2048).v * 4) << name;
    const Json t = explained({"--model", name, "--phase", "training", "--tokens", "8192"});
    EXPECT_EQ(t.at("pass").at("useful_flops"), spec::training_flops(spec::load_model(name), 8192, true).v * 8192)
        << name;
  }
}

TEST(Explain, EveryScenarioWithLayers) {
  for (const std::string& name : catalogue_names("scenarios")) {
    if (name.starts_with("sweep-") || name.starts_with("place-") || name.starts_with("size-")) continue;
    const Json e = explained({name});
    ASSERT_TRUE(e.is_object()) << name << ": " << e;
    std::int64_t sum = 0;
    for (const auto& [part, bytes] : e.at("memory").items()) sum += bytes.get<std::int64_t>();
    EXPECT_EQ(sum, e.at("memory_total")) << name;
  }
}

// 4096 tokens, products in FP8: worked out by hand in 2 m n k, and one byte an element with its scales.
TEST(Explain, LinesOfDeepSeekV3CheckedByHand) {
  const Json e = explained({"--model", "deepseek-v3", "--expert-parallel", "32"});
  EXPECT_EQ(operation(e, "q_a").at("flops"), 2.0 * 4096 * 1536 * 7168);
  EXPECT_EQ(operation(e, "q_a").at("bytes"), 4096 * 7168 + 4 * 4096 * 56 + 1536 * 7168 + 4 * 12 * 56 + 2 * 4096 * 1536);
  EXPECT_EQ(operation(e, "attention").at("flops"), 2.0 * 128 * (4096.0 * 4096 / 2) * (192 + 128));
  EXPECT_EQ(operation(e, "grouped down").at("flops"), 2.0 * 32768 * 7168 * 2048);
  EXPECT_EQ(operation(e, "residual").at("bytes"), 3 * 4096 * 7168 * 2);
  EXPECT_EQ(e.at("memory").at("kv cache"), 4096LL * 70272);  // 576 x 2 B x 61 layers a token
}

TEST(Explain, DecodingOfSeveralQueriesRaggedLengthsAndAnFp8Cache) {
  const Json e = explained({"--model", "kimi-k2", "--phase", "decode", "--tokens", "3", "--lengths", "2x1000,7",
                            "--kv-cache", "fp8", "--expert-parallel", "384"});
  const Json attention = operation(e, "attention decode");
  // Pairs: 3 x length + 1 + 2 + 3 a sequence; 64 heads on a latent of 576 and 512.
  EXPECT_EQ(attention.at("flops"), 2.0 * 64 * (2 * 3006 + 27) * (576 + 512));
  EXPECT_EQ(attention.at("bytes"), 656 * (2 * 1003 + 10) + 2 * 9 * 64 * (576 + 512));
  EXPECT_EQ(e.at("memory").at("kv cache"), 61 * 656 * (2 * 1003 + 10));
}

TEST(Explain, WindowsOfAlternatingLayers) {
  const auto flops = [](const char* layer) {
    return operation(explained({"--model", "gpt-oss-120b", "--phase", "decode", "--context", "4095", "--layer", layer}),
                     "attention decode")
        .at("flops");
  };
  EXPECT_EQ(flops("0"), 2.0 * 64 * 128 * (64 + 64) + 2 * 64);   // 128 keys; a sink a head
  EXPECT_EQ(flops("1"), 2.0 * 64 * 4096 * (64 + 64) + 2 * 64);  // all
}

TEST(Explain, NotCausalIsTwiceTheAttention) {
  const auto flops = [](std::vector<std::string> words, const char* name) {
    for (const char* w : {"--model", "llama-3.1-405b", "--phase", "training", "--tokens", "2048"}) words.push_back(w);
    return operation(explained(words), name).at("flops").get<double>();
  };
  for (const char* name : {"attention", "attention backward"})
    EXPECT_EQ(flops({"--whole"}, name), 2 * flops({}, name)) << name;
}

TEST(Explain, Fp4WhereTheGpuHasItAndOnlyAfterTraining) {
  const auto kernel = [](const char* gpu, const char* phase) {
    return operation(explained({"--model", "gpt-oss-120b", "--gpu", gpu, "--phase", phase}), "grouped gate-up")
        .at("kernel")
        .get<std::string>();
  };
  EXPECT_NE(kernel("h800", "decode").find("bf16 of fp4 weights masked"), std::string::npos);
  EXPECT_NE(kernel("b200", "prefill").find("fp4 contiguous"), std::string::npos);
  EXPECT_NE(kernel("b200", "training").find("bf16 contiguous"), std::string::npos);
}

// A release in NVFP4 throughout, on a GPU without it: what is widened is said once.
TEST(Explain, WidenedWeightsAreSaidOnce) {
  const TemporaryFolder folder;
  folder.write("config.json", R"({"model_type": "llama", "vocab_size": 1024, "hidden_size": 1024,
    "num_hidden_layers": 2, "intermediate_size": 2048, "num_attention_heads": 8,
    "quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}})");
  const std::string text = run_command({"explain", "--model", folder.path(), "--gpu", "h200", "--phase", "decode"});
  EXPECT_NE(text.find("linear layers bf16 of nvfp4 weights, experts"), std::string::npos) << text;
  EXPECT_EQ(text.find("weights of"), std::string::npos) << text;
}

TEST(Explain, GraphsClockAndSharedBandwidthAreVisible) {
  const std::vector<std::string> words{"--model", "deepseek-v3", "--phase", "decode", "--expert-parallel", "64"};
  const auto time = [&](std::vector<std::string> more, const char* name) {
    more.insert(more.begin(), words.begin(), words.end());
    return operation(explained(more), name).at("time").get<double>();
  };
  EXPECT_GT(time({"--no-graphs"}, "gate"), time({}, "gate"));
  EXPECT_GT(time({"--sequences", "4096"}, "o_proj"),
            time({"--sequences", "4096", "--kernels", "calibrated, sustained: false"}, "o_proj"));
  // Half of the SMs for each; both read weights as fast as they can.
  EXPECT_GT(time({"--sms", "66", "--beside", "o_proj"}, "o_proj"), 1.2 * time({"--sms", "66"}, "o_proj"));
  EXPECT_EQ(time({"--sms", "66", "--beside", "norm"}, "gate"), time({"--sms", "66"}, "gate"));
}

TEST(Explain, ActivationsByNameSumToTheirPartOfTheMemory) {
  for (const char* scenario : {"train-deepseek-v3", "train-gemma-3-27b"}) {
    const Json e = explained({scenario});
    std::int64_t sum = 0;
    for (const auto& [name, bytes] : e.at("activations").items()) sum += bytes.get<std::int64_t>();
    EXPECT_EQ(sum, e.at("memory").at("activations")) << scenario;
    for (const Json& kept : e.at("layer_activations"))
      EXPECT_FALSE(operation(e, kept.at("needed_by")).is_null()) << kept;
  }
}

TEST(Explain, MeasuredTimesComeFromTheUsersTable) {
  const TemporaryFolder folder;
  const std::string file = folder.file("mine.csv");
  std::ofstream(file) << "kernel,precision,shape,gpu,sms,time\n"
                         "gemm,fp8,1024x7168x16384,h800,132,250\n"
                         "gemm,fp8,4096x7168x16384,h800,132,850\n";
  const auto origin = [&](const char* tokens) {
    return operation(explained({"--model", "deepseek-v3", "--tokens", tokens, "--kernels", "table, file: " + file}),
                     "o_proj");
  };
  EXPECT_EQ(origin("4096").at("origin"), "measured");
  EXPECT_NEAR(origin("4096").at("time").get<double>(), 850e-6, 1e-9);
  EXPECT_EQ(origin("2048").at("origin"), "interpolated");
  EXPECT_EQ(origin("8192").at("time"),
            operation(explained({"--model", "deepseek-v3", "--tokens", "8192"}), "o_proj").at("time"));
}

// Sixty million rows, where the equations' tables end at some ten thousand.
TEST(Explain, HowFarATimeIsExtrapolatedHasNoExponent) {
  const std::vector<std::string> words{"explain", "--model",     "mixtral-8x7b", "--tokens",
                                       "30000",   "--sequences", "2000"};
  const std::string text = run_command(words);
  int far = 0;
  const std::string word = "extrapolated ";
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
    at += word.size();
    const std::string times = text.substr(at, text.find('x', at) - at);
    EXPECT_EQ(times.find_first_not_of("0123456789."), std::string::npos) << times;
    far += std::stod(times) >= 100;
  }
  EXPECT_GT(far, 0) << text;
}

TEST(Explain, RefusesWhatCannotBe) {
  const std::string v3 = "deepseek-v3";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--model", v3, "--tokens", "0"},
       "--tokens: expected a whole number from 1 to 1000000000, got \"0\" (see moesim explain --help)"},
      {{"--model", v3, "--context", "163840"},
       "context + tokens = 167936 is beyond the 163840 positions of deepseek-v3"},
      {{"--model", v3, "--tensor", "3"}, "128 attention heads cannot be shared by 3 tensor-parallel GPUs"},
      {{"--model", v3, "--layer", "61"}, "layer: deepseek-v3 has layers 0 to 60, got 61"},
      {{"--model", v3, "--precision", "fp4"}, "precision of linear layers: h800 has no fp4 arithmetic"},
      {{"--model", v3, "--gpu", "a100", "--attention", "fp8"}, "precision of attention: a100 has no fp8 arithmetic"},
      {{"--model", "deepseek-v3.2", "--gpu", "a100", "--precision", "bf16"},
       "the indexers of deepseek-v3.2 score keys in fp8, for which a100 has no arithmetic"},
      {{"--model", v3, "--kv-cache", "fp4"}, "precision of the KV cache: expected bf16 or fp8, got fp4"},
      {{"--model", v3, "--sms", "133"}, "SMs: h800 has 132, got 133"},
      {{"--model", v3, "--beside", "norm"}, "beside: norm needs SMs of its own; leave it some of the 132"},
      {{"--model", v3, "--lengths", "4x"},
       "--lengths: expected tokens or sequences x tokens, as in 4x8192,64x512, got \"4x\""},
      {{"--model", v3, "--recompute", "full"}, "--recompute: only training keeps or recomputes; add --phase training"},
      {{"--model", v3, "--set", "a=1"}, "--set: changes a scenario, and none is given"},
      {{"--model", "llama-2-7b", "--expert-parallel", "8"}, "expert parallelism: llama-2-7b is a dense model, got 8"},
      {{"train-deepseek-v3", "--gpu", "b200"}, "--gpu: the scenario says it; change that with --set"},
      {{"train-deepseek-v3", "--tokens", "5"},
       "--tokens: the scenario's section training says it; change that with --set"},
      {{"serve-mixtral-8x7b", "--pool", "fast"}, "--pool: no pool is called \"fast\"; there are: both"}};
  for (const auto& [words, expected] : cases) EXPECT_EQ(refusal(words), expected);
}
}  // namespace
}  // namespace moesim::cli
