// Released config.json files, held against counts made apart from this program; both lie beside the project.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/config_error.h"
#include "spec/release/python_json.h"
#include "spec/release/read_release.h"
#include "spec/release/totals.h"
#include "support/places.h"

namespace moesim::spec {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kShared = test::source_dir() + "/../shared";

/// Entries of the facts by name.
std::map<std::string, Json> facts() {
  std::map<std::string, Json> out;
  const Json document = read_python_json(kShared / "facts/models_2026.json");
  for (const Json& one : document.at("models")) out[one.at("name")] = one;
  return out;
}

/// Which entry counts a released file; files without one are not here.
const std::map<std::string, std::string> kEntries = {
    {"MiniMaxAI--MiniMax-M2.5", "minimax-m2.5"},
    {"MiniMaxAI--MiniMax-M3", "minimax-m3"},
    {"Qwen--Qwen3-Coder-480B-A35B-Instruct", "qwen3-coder-480b-a35b"},
    {"Qwen--Qwen3.5-35B-A3B", "qwen3.5-35b-a3b"},
    {"Qwen--Qwen3.5-397B-A17B", "qwen3.5-397b-a17b"},
    {"XiaomiMiMo--MiMo-V2-Flash", "mimo-v2-flash"},
    {"deepseek-ai--DeepSeek-V3.2", "deepseek-v3.2"},
    {"deepseek-ai--DeepSeek-V4-Flash", "deepseek-v4-flash"},
    {"deepseek-ai--DeepSeek-V4-Pro", "deepseek-v4-pro"},
    {"google--gemma-4-26B-A4B", "gemma-4-26b-a4b"},
    {"llama-4-scout-17b-16e-instruct-fp8-dynamic", "llama-4-scout"},
    {"meta-llama--Llama-4-Scout-17B-16E-Instruct", "llama-4-scout"},
    {"moonshotai--Kimi-K2.5", "kimi-k2.5"},
    {"moonshotai--Kimi-K3", "kimi-k3"},
    {"nvidia--DeepSeek-V4-Flash-NVFP4", "deepseek-v4-flash"},
    {"nvidia--GLM-5-NVFP4", "glm-5"},
    {"nvidia--Gemma-4-26B-A4B-NVFP4", "gemma-4-26b-a4b"},
    {"nvidia--Kimi-K2.5-NVFP4", "kimi-k2.5"},
    {"nvidia--MiniMax-M2.5-NVFP4", "minimax-m2.5"},
    {"nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "nemotron-3-nano-30b-a3b"},
    {"nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4", "nemotron-3-super-120b-a12b"},
    {"nvidia--Qwen3.5-397B-A17B-NVFP4", "qwen3.5-397b-a17b"},
    {"openai--gpt-oss-20b", "gpt-oss-20b"},
    {"qwen3-next-80B-A3B", "qwen3-next-80b-a3b"},
    {"stepfun-ai--Step-3.7-Flash", "step-3.7-flash"},
    {"zai-org--GLM-5", "glm-5"},
    {"zai-org--GLM-5-FP8", "glm-5"},
    {"zai-org--GLM-5.2", "glm-5.2"}};

TEST(ReleaseFacts, EveryReleasedFileLoadsAndCountsToTheLastUnit) {
  if (!fs::exists(kShared / "data/configs")) GTEST_SKIP() << "the released files are not here";
  const auto known = facts();
  int files = 0;
  for (const auto& entry : fs::directory_iterator(kShared / "data/configs")) {
    SCOPED_TRACE(entry.path().filename());
    const Release r = read_release(entry.path() / "config.json");
    ++files;
    EXPECT_EQ(r.formats.size(), r.tensors.size());
    const auto found = kEntries.find(entry.path().filename());
    if (found == kEntries.end()) continue;
    const ReleaseTotals t = count_release(r);
    EXPECT_EQ(t.total, known.at(found->second).at("counted_total").get<std::int64_t>());
    EXPECT_EQ(t.active, known.at(found->second).at("counted_active").get<std::int64_t>());
  }
  EXPECT_GE(files, 45);
}

TEST(ReleaseFacts, ConfigurationsOfTheFactsCountToTheLastUnit) {
  if (!fs::exists(kShared / "facts/models_2026.json")) GTEST_SKIP() << "the facts are not here";
  const std::map<std::string, std::string> types = {{"hy3", "hy_v3"},
                                                    {"longcat-flash", "longcat_flash"},
                                                    {"ling-1t", "bailing_moe_v2"},
                                                    {"nemotron-3-ultra-550b-a55b", "nemotron_h"},
                                                    {"qwen3.5-122b-a10b", "qwen3_5_moe_text"}};
  const auto known = facts();
  for (const auto& [name, type] : types) {
    SCOPED_TRACE(name);
    const Json& one = known.at(name);
    Json config = one.at("config");
    config["model_type"] = type;
    const ReleaseTotals t = count_release(read_release_text(config.dump(), name));
    EXPECT_EQ(t.total, one.at("counted_total").get<std::int64_t>());
    const Json& active = one.at("counted_active");
    EXPECT_EQ(t.active, (active.is_object() ? active.at("0 zero experts") : active).get<std::int64_t>());
  }
}

TEST(ReleaseFacts, CachesAndWeightsOfReleases) {
  if (!fs::exists(kShared / "data/configs")) GTEST_SKIP() << "the released files are not here";
  const auto read = [](const std::string& name) {
    return read_release(kShared / "data/configs" / name / "config.json");
  };
  constexpr double kGiB = 1 << 30;
  const Release pro = read("deepseek-ai--DeepSeek-V4-Pro");
  EXPECT_NEAR(double(cache_of(pro, 1 << 20, EntryFormat::bf16).growing) / kGiB, 9.62, 0.005);
  EXPECT_NEAR(double(cache_of(pro, 1 << 20, EntryFormat::packed).growing) / kGiB, 4.91, 0.005);
  EXPECT_EQ(cache_of(pro, 1 << 20, EntryFormat::packed).windows, 4'559'872);
  EXPECT_EQ(growth_per_token(read("deepseek-ai--DeepSeek-V3.2"), EntryFormat::packed), 48'068);
  const std::int64_t v3 = weight_bytes(read("nvidia--DeepSeek-V3.1-NVFP4"), true);
  EXPECT_GT(v3, 390'000'000'000);
  EXPECT_LT(v3, 420'000'000'000);
  EXPECT_EQ(cache_of(read("Qwen--Qwen3.5-397B-A17B"), 1, EntryFormat::bf16).states, 188'743'680 + 3'317'760);
  EXPECT_EQ(cache_of(read("moonshotai--Kimi-K3"), 1, EntryFormat::bf16).states, 434'110'464 + 15'261'696);
}
}  // namespace
}  // namespace moesim::spec
